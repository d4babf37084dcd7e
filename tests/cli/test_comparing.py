"""The table of differences: every state of the ledger against every answer of the vendor."""

import pytest

from gateway.cli.comparing import REMEMBERED, Difference, Seen, differences, said
from gateway.events import State
from gateway.state.records import TaskRecord
from gateway.upstream.base import Phase, TaskStatus

NOW = 1_790_000_000.0

# Per state of the ledger: what it means that the vendor says under way, done, failed, unknown.
TABLE: dict[State, tuple[str, str, str, str]] = {
    State.INTENT: ("unrecorded", "unrecorded", "unrecorded", ""),
    State.REFUSED: ("unrecorded", "unrecorded", "unrecorded", ""),
    State.DROPPED: ("unrecorded", "unrecorded", "unrecorded", ""),
    State.CREATING: ("found", "found", "found", ""),
    State.UNCERTAIN: ("found", "found", "found", ""),
    State.LOST: ("found", "found", "found", ""),
    State.RUNNING: ("", "unnoticed", "unnoticed", "gone"),
    State.COLLECTING: ("contrary", "", "contrary", "gone"),
    State.DONE: ("contrary", "", "contrary", "gone"),
    State.FAILED: ("given up", "given up", "", ""),
}
PHASES: tuple[Phase | None, ...] = ("running", "done", "failed", None)
SENT = {State.RUNNING, State.COLLECTING, State.DONE, State.FAILED}


def task(state: State, **changes: object) -> TaskRecord:
    values: dict[str, object] = {
        "upstream_id": "tsk_1" if state in SENT else None,
        "ended_at": NOW - 60,
        **changes,
    }
    return TaskRecord("task_1", "job_1", 0, state, NOW - 100, **values)  # type: ignore[arg-type]


def status(phase: Phase | None, name: str = "tsk_1", **changes: str) -> TaskStatus | None:
    if phase is None:
        return None
    values = {"word": phase, **changes}
    return TaskStatus(name, phase, **values)  # type: ignore[arg-type]


def compared(record: TaskRecord, seen: Seen) -> list[Difference]:
    return list(differences(record, seen, NOW))


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("column", range(4))
def test_the_table_is_whole(state: State, column: int) -> None:
    answer = status(PHASES[column])
    own = answer if state in SENT else None
    found = compared(task(state), Seen(own=own, ours=answer))
    kind = TABLE[state][column]
    assert [one.kind for one in found] == ([kind] if kind else [])
    for one in found:
        assert (one.task_id, one.job_id, one.ledger) == ("task_1", "job_1", state.value)
        assert one.vendor == said(answer)
        assert one.serious is (kind == "unrecorded")
        assert "{" not in one.message + one.advice
        assert one.message.endswith(".")
        assert one.advice.endswith(".")


@pytest.mark.parametrize("state", [State.INTENT, State.DROPPED])
def test_what_may_be_created_again_is_no_purchase_without_an_entry(state: State) -> None:
    (told,) = compared(task(state, create_lost=True), Seen(ours=status("running")))
    intent = state is State.INTENT
    assert (told.kind, told.serious) == (("found", False) if intent else ("unrecorded", True))
    assert "{" not in told.message + told.advice


def test_queued_is_under_way() -> None:
    assert said(status("queued")) == said(status("running")) == "under way"


def test_the_vendors_own_word_is_told_where_it_is_another() -> None:
    (told,) = compared(task(State.LOST), Seen(ours=status("running", word="warming_{up}")))
    assert "it is bought, and under way (warming_{up})." in told.message
    (told,) = compared(task(State.LOST), Seen(ours=status("done", word="DONE")))
    assert "it is bought, and done." in told.message


def test_what_ended_long_ago_may_be_forgotten_and_no_other() -> None:
    old, new = NOW - REMEMBERED - 1, NOW - REMEMBERED + 1
    assert compared(task(State.DONE, ended_at=old), Seen()) == []
    assert len(compared(task(State.DONE, ended_at=new), Seen())) == 1
    assert len(compared(task(State.DONE, ended_at=None), Seen())) == 1
    failed = status("failed")
    assert len(compared(task(State.DONE, ended_at=old), Seen(own=failed, ours=failed))) == 1


def test_a_task_given_up_after_the_vendor_was_done_differs_in_nothing_but_cost() -> None:
    made = task(State.FAILED, made=True, cost_usd="0.1")
    done = status("done", cost_usd="0.10")
    assert compared(made, Seen(own=done, ours=done)) == []
    done = status("done", cost_usd="0.2")
    assert [one.kind for one in compared(made, Seen(own=done, ours=done))] == ["cost"]


def test_a_second_task_is_told_besides_what_the_first_says() -> None:
    seen = Seen(own=status("failed"), ours=status("done", "tsk_2"))
    twice, contrary = compared(task(State.DONE), seen)
    assert (twice.kind, twice.upstream_id, twice.serious) == ("bought twice", "tsk_2", True)
    assert "tsk_1, which is the ledger's, and tsk_2, done, which" in twice.message
    assert (contrary.kind, contrary.upstream_id) == ("contrary", "tsk_1")


def test_a_task_under_our_id_that_is_not_the_ledgers_is_told_alone() -> None:
    (told,) = compared(task(State.RUNNING), Seen(ours=status("done", "tsk_2")))
    assert (told.kind, told.serious) == ("exchanged", True)


def test_a_vendor_that_repeats_the_id_it_was_asked_by_has_no_second_task() -> None:
    seen = Seen(own=status("done"), ours=status("done", "task_1"))
    assert compared(task(State.DONE), seen) == []


def test_a_replaced_lost_task_has_advice_of_its_own() -> None:
    (told,) = compared(task(State.LOST, replaced=True), Seen(ours=status("done", "tsk_{9}")))
    assert told.kind == "found"
    assert "no gateway takes it up" in told.advice
    assert "GET /v1/images/generations/tsk_{9} with upstream.api_key" in told.advice
