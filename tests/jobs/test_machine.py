import itertools

import pytest

from gateway import events
from gateway.events import FINAL, State, TaskEvent
from gateway.jobs.machine import TABLE, IllegalEventError, step

MORE: dict[type[TaskEvent], dict[str, object]] = {
    events.Created: {"upstream_id": "v", "seconds": 1.0},
    events.NotSent: {"reason": "r"},
    events.Throttled: {"retry_after": None},
    events.Refused: {"reason": "r"},
    events.CreateLost: {"reason": "r"},
    events.Found: {"upstream_id": "v"},
    events.Polled: {"word": "w", "progress": None},
    events.PollFailed: {"reason": "r"},
    events.Succeeded: {"images": 1, "seconds": 1.0, "completed_at": None, "cost_usd": None},
    events.TaskFailed: {"reason": "r"},
    events.Vanished: {"reason": "r"},
    events.LinkDead: {"reason": "r"},
    events.Collected: {"images": 1, "size": 1},
    events.Dropped: {"reason": "r"},
}
KINDS = [
    kind
    for kind in vars(events).values()
    if isinstance(kind, type) and issubclass(kind, TaskEvent) and kind is not TaskEvent
]


def an_event(kind: type[TaskEvent]) -> TaskEvent:
    return kind(job_id="j", task_id="t", at=0.0, **MORE.get(kind, {}))


@pytest.mark.parametrize(("state", "kind"), list(itertools.product(State, KINDS)))
def test_a_listed_event_leads_where_the_table_says_and_any_other_raises(
    state: State, kind: type[TaskEvent]
) -> None:
    listed = TABLE[state].get(kind)
    if listed is not None:
        assert step(state, an_event(kind)) is listed
    else:
        with pytest.raises(IllegalEventError, match=kind.__name__):
            step(state, an_event(kind))


def test_every_state_and_every_event_has_its_place() -> None:
    assert set(TABLE) == set(State)
    used = {kind for row in TABLE.values() for kind in row}
    assert used == set(KINDS)


def test_nothing_leaves_a_final_state_but_a_late_finding() -> None:
    for state in FINAL - {State.LOST}:
        assert TABLE[state] == {}
    assert set(TABLE[State.LOST]) == {events.Found}


def test_an_uncertain_task_never_goes_back_to_be_sent_without_leave() -> None:
    back = [kind for kind, after in TABLE[State.UNCERTAIN].items() if after is State.INTENT]
    assert back == [events.RecreateAllowed]


def reachable(start: State) -> set[State]:
    seen, todo = {start}, [start]
    while todo:
        for after in TABLE[todo.pop()].values():
            if after not in seen:
                seen.add(after)
                todo.append(after)
    return seen


def test_every_state_can_be_reached_and_every_state_can_end() -> None:
    assert reachable(State.INTENT) == set(State)
    for state in State:
        assert reachable(state) & FINAL
