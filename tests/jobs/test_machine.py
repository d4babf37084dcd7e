import itertools
from collections.abc import Mapping

import pytest

from gateway import events
from gateway.events import FINAL, State, TaskEvent
from gateway.jobs.machine import AFTER_A_LOSS, TABLE, IllegalEventError, step

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


@pytest.mark.parametrize("perhaps", [False, True])
@pytest.mark.parametrize(("state", "kind"), list(itertools.product(State, KINDS)))
def test_a_listed_event_leads_where_the_table_says_and_any_other_raises(
    state: State, kind: type[TaskEvent], perhaps: bool
) -> None:
    listed = (AFTER_A_LOSS if perhaps else TABLE)[state].get(kind)
    if listed is not None:
        assert step(state, an_event(kind), perhaps=perhaps) is listed
    else:
        with pytest.raises(IllegalEventError, match=kind.__name__):
            step(state, an_event(kind), perhaps=perhaps)


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


def test_what_was_lost_once_is_never_taken_for_not_bought() -> None:
    """Whatever becomes of a later create: it ends found, made, failed or LOST."""
    assert set(AFTER_A_LOSS) == set(State)
    ends = reachable(State.UNCERTAIN, AFTER_A_LOSS)
    assert ends == set(State) - {State.DROPPED, State.REFUSED}
    for state in ends - FINAL:
        assert reachable(state, AFTER_A_LOSS) & FINAL


def test_what_was_lost_once_differs_only_where_it_is_given_up_or_looked_for() -> None:
    differing = {
        (state, kind)
        for state, kind in itertools.product(State, KINDS)
        if TABLE[state].get(kind) is not AFTER_A_LOSS[state].get(kind)
    }
    assert differing == {
        (State.INTENT, events.Dropped),
        (State.INTENT, events.Found),
        (State.INTENT, events.NotFound),
        (State.INTENT, events.RecreateAllowed),
        (State.CREATING, events.Refused),
    }


def reachable(start: State, table: Mapping[State, Mapping[type[TaskEvent], State]]) -> set[State]:
    seen, todo = {start}, [start]
    while todo:
        for after in table[todo.pop()].values():
            if after not in seen:
                seen.add(after)
                todo.append(after)
    return seen


def test_every_state_can_be_reached_and_every_state_can_end() -> None:
    assert reachable(State.INTENT, TABLE) == set(State)
    for state in State:
        assert reachable(state, TABLE) & FINAL
