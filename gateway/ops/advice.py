"""What an operator should do about a failure: one sentence for each code.

Owns: the table. Must not know: where failures come from. Codes are those that callers get
(``docs/api.md``) and the names of the log's lines (``docs/running.md``). Nothing of a prompt,
or of what the vendor said, can get in here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Literal

Tone = Literal["bad", "warn", "calm"]
"""Money or the service is at stake; somebody should look; it passes by itself."""


@dataclass(frozen=True, slots=True)
class Advice:
    """What happened, in a few words, and what to do. ``each``: every case is worth a look."""

    what: str
    do: str
    tone: Tone = "warn"
    each: bool = False


_LOG = "Look for its line in the log."
_LOOK_UP = "is looked up by our own id; if it ends as lost, compare with 'tasks reconcile'."

# What callers are told.
REQUESTS: Mapping[str, Advice] = {
    "server_error": Advice(
        "A fault of the gateway's",
        "Find the request's id in the log and report the traceback that stands there.",
        "bad",
        each=True,
    ),
    "upstream_error": Advice(
        "The vendor answered with something unusable",
        "Look at the job with 'tasks show', and run 'doctor' if it happens again.",
    ),
    "upstream_unauthorized": Advice(
        "The vendor refuses the gateway's key",
        "Check upstream.api_key with 'doctor', and restart with a good one.",
        "bad",
    ),
    "upstream_model_unavailable": Advice(
        "The vendor does not serve the model",
        "Compare the model's upstream_model with what 'doctor' lists for the account.",
        "bad",
    ),
    "upstream_unavailable": Advice(
        "The vendor cannot be reached or takes nothing",
        "Nothing was bought, and callers come back; if it lasts, run 'doctor' and ask the vendor.",
    ),
    "upstream_outcome_unknown": Advice(
        "Perhaps bought: the answer to a create was lost",
        "Do not repeat it by hand: compare with 'tasks reconcile' what the vendor has.",
        "bad",
        each=True,
    ),
    "upstream_task_failed": Advice(
        "The vendor gave a task up",
        "If many fail, ask the vendor, with the task's id; the request may simply be sent again.",
    ),
    "upstream_fewer_images": Advice(
        "The vendor made fewer pictures than were ordered",
        "What was made is kept: 'tasks show' names it; ask the vendor about the charge.",
    ),
    "upstream_no_result": Advice(
        "The vendor calls a task done, but has no picture",
        "Ask the vendor about the charge, with the task's id.",
    ),
    "upstream_result_unusable": Advice(
        "A picture was made, but could not be fetched whole",
        "Run 'doctor' to try the way to the vendor's files; the vendor may still have the picture.",
        "bad",
        each=True,
    ),
    "upstream_task_unknown": Advice(
        "The vendor no longer knows a task that it took",
        "Ask the vendor about the charge, with the task's id.",
        "bad",
        each=True,
    ),
    "upstream_timeout": Advice(
        "A picture was not ready in time",
        "What was bought goes on and is kept; if many are late, raise upstream.deadlines.",
    ),
    "server_is_overloaded": Advice(
        "More was asked for than the vendor takes",
        "Callers come back; if it lasts, ask for a larger account, or limit the busiest key.",
    ),
    "server_is_stopping": Advice(
        "The process was about to stop", "Nothing: callers come back by themselves.", "calm"
    ),
    "server_is_draining": Advice(
        "The process was about to stop", "Nothing: callers come back by themselves.", "calm"
    ),
    "storage_full": Advice(
        "There is no room for another picture",
        "Free disk space where pictures lie, or raise images.shelf.",
        "bad",
    ),
    "journal_unavailable": Advice(
        "The ledger takes no entries, so nothing is bought",
        "Free disk space, or mend the disk: the line ledger_hindered in the log says why.",
        "bad",
    ),
    "insufficient_quota": Advice(
        "The account at the vendor has no credit left",
        "Top up the account at the vendor.",
        "bad",
    ),
    "rate_limit_exceeded": Advice(
        "The account's allowance at the vendor is used up",
        "Callers come back; if it lasts, set upstream.submit_per_second to what the account has.",
    ),
    "moderation_blocked": Advice(
        "The vendor's safety system refused",
        "Nothing on this side: it is for the caller to ask for something else.",
        "calm",
    ),
    "upstream_refused": Advice(
        "The vendor refused a request",
        "If it is the same for many, compare the model's card with what the vendor offers now.",
    ),
}

# What happened to a task, a job or the service; by the names of the log's lines.
EVENTS: Mapping[str, Advice] = {
    "create_lost": Advice(
        "The answer to a create was lost: perhaps bought",
        f"Nothing yet: the task {_LOOK_UP}",
        "bad",
        each=True,
    ),
    "not_found": Advice(
        "A create whose answer was lost was not found: perhaps bought",
        "Compare with the vendor by 'tasks reconcile'; the gateway goes on looking for a day.",
        "bad",
        each=True,
    ),
    "task_failed": REQUESTS["upstream_task_failed"],
    "vanished": REQUESTS["upstream_task_unknown"],
    "link_dead": REQUESTS["upstream_result_unusable"],
    "collecting_hindered": Advice(
        "This machine keeps a paid picture from being stored",
        "Free disk space where pictures lie, and check that they can be written.",
        "bad",
        each=True,
    ),
    "purchase_unclaimed": Advice(
        "Pictures were paid for, and nobody came for them",
        "Ask the key's owner whose client hangs up; a longer images.lifetime leaves more time.",
        each=True,
    ),
    "job_abandoned": Advice(
        "The process ended before a job, with nothing to remember it",
        "Ask the vendor for the tasks that the log names, and give state.url a file.",
        "bad",
        each=True,
    ),
    "job_crashed": Advice(
        "A fault of the gateway's ended a job",
        "Report the traceback in the log, and look at what was bought with 'tasks show'.",
        "bad",
        each=True,
    ),
    "crashed": REQUESTS["server_error"],
    "chore_failed": Advice(
        "A fault of the gateway's ended a round of its housekeeping",
        f"It is tried again every minute, and nothing is lost by it; report it. {_LOG}",
        "warn",
    ),
    "observer_failed": Advice(
        "A part that only watches failed",
        f"Requests are served all the same; report it. {_LOG}",
        "warn",
    ),
    "ledger_hindered": REQUESTS["journal_unavailable"],
    "breaker_opened": Advice(
        "Creates are held back, for they keep failing",
        "Nothing is bought meanwhile, and one is tried soon; if it lasts, run 'doctor'.",
        "bad",
    ),
    "config_refused": Advice(
        "A new configuration was refused; the one before stays in force",
        "Run 'check --config FILE', which names every fault, mend them, and reload.",
        "bad",
    ),
    "restart_needed": Advice(
        "Settings were changed that wait for a restart",
        "Restart when it suits; the line in the log names them.",
        "calm",
    ),
}

# For a code that is the vendor's own.
_OTHER_REFUSAL = Advice(
    "The vendor refused a request",
    "It is for the caller to mend, unless it is the same for many: then compare the model's card.",
)
_OTHER_FAILURE = Advice("A request failed", f"Find the request's id in the log. {_LOG}")


def for_request(code: str | None, status: int) -> Advice:
    """What to do about a request that failed with this code."""
    found = REQUESTS.get(code or "")
    if found is not None:
        return found
    return _OTHER_FAILURE if status >= HTTPStatus.INTERNAL_SERVER_ERROR else _OTHER_REFUSAL


def for_event(name: str) -> Advice | None:
    """What to do about something that is told by this name; None if it is no failure."""
    return EVENTS.get(name)
