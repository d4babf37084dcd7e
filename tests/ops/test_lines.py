"""What the gateway's facts say in the log."""

import dataclasses
from typing import Any

import pytest

from gateway import events, notices
from gateway.events import About, Collected, JobReopened, State, Stepped, Succeeded
from gateway.facts import Crashed, RequestEnded
from gateway.jobs.journal import Stamp
from gateway.notices import Asked, HintCame, JobBegun, PurchaseUnclaimed, TaskQueued
from gateway.ops import lines
from gateway.ops.acts import SignedIn, SignInRefused
from gateway.translate.model import note
from tests.ops.facts import WHOLE

WHO = Stamp(job_id="job_1", task_id="task_1", at=5.0)
ABOUT = About(key_name="studio", model="gpt-image-2", tier="1k", quality="low", images=4)


def test_a_request_s_line_says_who_and_what_and_what_came_of_it() -> None:
    line = lines.told(WHOLE)
    assert list(line)[:4] == ["request_id", "client_request_id", "key_name", "method"]
    assert (line["joined"], line["retry"]) == ("sdk_retry", 1)
    assert line["upstream_ids"] == ["task_v1", "task_v2"]
    assert line["notes"] == ['size-cropped;from="16:9";share=0.03']
    assert "key_fault" not in line
    assert "left_early" not in line


def test_its_times_are_milliseconds_and_its_cost_is_dollars() -> None:
    line = lines.told(WHOLE)
    times = {name: line[name] for name in line if name.endswith("_ms")}
    assert times == {
        "duration_ms": 12_345.7,
        "client_ms": 120.0,
        "fetch_ms": 300.0,
        "queue_ms": 1_200.0,
        "upstream_ms": 10_700.0,
        "ours_ms": 25.7,
    }
    assert line["cost_usd"] == 0.08
    assert not {"duration", "phases", "cost"} & set(line)


def test_clocks_that_disagree_by_a_hair_give_no_time_below_zero() -> None:
    ended = dataclasses.replace(WHOLE, duration=1.0, phases={"upstream": 1.00001})
    assert lines.told(ended)["ours_ms"] == 0.0


def test_every_field_of_a_request_has_its_place_in_the_line() -> None:
    others = {"duration", "phases", "cost"}
    named = {field.name for field in dataclasses.fields(RequestEnded)} - others
    assert named == set(lines._REQUEST)


def test_who_hung_up_is_told_with_what_for() -> None:
    left = RequestEnded("req_1", "POST", None, 1.0, 0, left_early=True, waiting="queue")
    line = lines.told(left)
    assert (line["left_early"], line["waiting"]) == (True, "queue")
    assert "status" not in line


def test_a_step_says_whose_task_it_is_and_how_long_it_was_in_the_state_before() -> None:
    step = Stepped(
        event=Succeeded(**WHO, images=3, seconds=9.5, completed_at=None, cost_usd="0.06"),
        state=State.COLLECTING,
        about=ABOUT,
        seconds=9.75,
        charged=60_000,
    )
    line = lines.told(step)
    assert {"seconds": 9.5, "state": "collecting", "state_ms": 9750.0}.items() <= line.items()
    assert {"key_name": "studio", "model": "gpt-image-2", "quality": "low"}.items() <= line.items()
    assert line["images"] == 3  # that were made, not that were asked for
    assert line["charged_usd"] == 0.06


def test_a_step_that_cost_nothing_says_nothing_of_costs() -> None:
    collected = Collected(**WHO, images=1, size=9)
    line = lines.told(Stepped(event=collected, state=State.DONE, about=ABOUT))
    whose = {"key_name", "model", "tier", "quality"}
    assert set(line) == whose | {"job_id", "task_id", "at", "images", "size", "state", "state_ms"}


def test_what_nobody_claimed_is_told_in_dollars() -> None:
    unclaimed = PurchaseUnclaimed(job_id="job_1", key_name="studio", images=2, cost=120_000)
    assert lines.told(unclaimed)["cost_usd"] == 0.12
    assert "cost" not in lines.told(unclaimed)


@pytest.mark.parametrize(
    ("changes", "flood"),
    [
        ({"status": 401}, "request_ended 401"),
        ({"status": 200}, "request_ended 200"),
        ({"status": None, "left_early": True}, "request_ended None"),
        ({"status": 503, "rejection": "draining"}, "request_ended 503"),
        ({"status": 503}, None),
        ({"status": 500}, None),
        ({"status": 200, "job_id": "job_1"}, None),
        ({"status": 200, "job_id": "job_1", "method": "GET"}, "request_ended 200"),
        ({"status": 502, "job_id": "job_1", "method": "GET"}, None),
        ({"status": 503, "rejection": "deadline", "job_id": "job_1"}, None),
    ],
)
def test_only_requests_that_bought_nothing_and_are_no_fault_can_be_a_flood(
    changes: dict[str, Any], flood: str | None
) -> None:
    ended = dataclasses.replace(RequestEnded("req_1", "POST", 200, 0.1, 0), **changes)
    assert lines.flood(ended) == flood


def test_of_all_else_only_chatter_for_those_who_debug_can_be_a_flood() -> None:
    kinds = [
        kind
        for kind in (*vars(events).values(), *vars(notices).values())
        if isinstance(kind, type) and dataclasses.is_dataclass(kind)
    ]
    chatter = {kind for kind in kinds if kind in lines._CHATTER}
    assert chatter == set(lines._CHATTER)
    assert {kind.level for kind in chatter} == {"debug"}
    asked = Asked(job_id="job_1", task_id="task_1", answer="pending", seconds=0.1)
    assert lines.flood(asked) == "asked"
    queued = TaskQueued(
        job_id="job_1", task_id="task_1", key_name="a", position=1, waiting=1, expected=0.0
    )
    assert lines.flood(queued) is None
    assert lines.flood(Crashed("req_1", "ValueError", "")) is None


def test_what_anybody_may_send_can_be_a_flood_however_loud_it_is() -> None:
    assert lines.flood(HintCame(result="refused", reason="forged")) == "hint_came"
    assert lines.flood(HintCame(result="used", job_id="job_1", task_id="task_1")) == "hint_came"


def test_refused_tokens_can_be_a_flood_for_addresses_are_cheap() -> None:
    refused = SignInRefused(address="2001:db8::1", how="bearer")
    assert lines.flood(refused) == "sign_in_refused"
    assert lines.told(refused) == {"address": "2001:db8::1", "how": "bearer"}
    assert lines.flood(SignedIn(by="0123456789abcdef", address="2001:db8::1")) is None


def test_a_job_is_for_the_request_that_it_was_begun_or_reopened_for() -> None:
    begun = JobBegun(job_id="job_1", request_id="req_1", key_name="a", tasks=2)
    assert lines.origin(begun) == ("job_1", "req_1")
    reopened = JobReopened(job_id="job_1", at=5.0, missing=1)
    assert lines.origin(reopened) is None
    assert lines.origin(dataclasses.replace(reopened, request_id="req_2")) == ("job_1", "req_2")
    assert lines.origin(WHOLE) is None  # who joins a job did not begin it


def test_a_note_stands_there_as_in_its_header() -> None:
    ended = dataclasses.replace(WHOLE, notes=(note("webp-made-here"),))
    assert lines.told(ended)["notes"] == ["webp-made-here"]
