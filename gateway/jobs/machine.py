"""A task's life as a table: in this state, this event leads there.

Owns: which transitions are legal. Must not know: I/O, time, who acts on an event. An event that
the table does not list raises and changes nothing.
"""

from collections.abc import Mapping

from gateway.events import (
    Collected,
    Created,
    CreateLost,
    CreateSent,
    Dropped,
    Found,
    LinkDead,
    NotFound,
    NotSent,
    Polled,
    PollFailed,
    RecreateAllowed,
    Refused,
    State,
    Succeeded,
    TaskEvent,
    TaskFailed,
    Throttled,
    Vanished,
)

TABLE: Mapping[State, Mapping[type[TaskEvent], State]] = {
    State.INTENT: {
        CreateSent: State.CREATING,
        CreateLost: State.UNCERTAIN,  # the vendor tells of one that it had put off
        Dropped: State.DROPPED,
    },
    State.CREATING: {
        Created: State.RUNNING,
        NotSent: State.INTENT,
        Throttled: State.INTENT,
        Refused: State.REFUSED,
        CreateLost: State.UNCERTAIN,
    },
    State.UNCERTAIN: {
        Found: State.RUNNING,
        NotFound: State.LOST,
        RecreateAllowed: State.INTENT,
    },
    State.RUNNING: {
        Polled: State.RUNNING,
        PollFailed: State.RUNNING,
        Succeeded: State.COLLECTING,
        TaskFailed: State.FAILED,
        Vanished: State.FAILED,
    },
    State.COLLECTING: {
        Polled: State.COLLECTING,
        PollFailed: State.COLLECTING,
        Collected: State.DONE,
        LinkDead: State.FAILED,
    },
    State.LOST: {
        Found: State.RUNNING,
    },
    State.DONE: {},
    State.FAILED: {},
    State.REFUSED: {},
    State.DROPPED: {},
}

# The same, where the answer to a create of the task was lost before: it is perhaps bought. Giving
# it up leads to LOST, where it is looked for, and an answer that refuses a later create is about
# that one alone. The next process looks for it once more before it creates it again.
AFTER_A_LOSS: Mapping[State, Mapping[type[TaskEvent], State]] = {
    **TABLE,
    State.INTENT: {
        CreateSent: State.CREATING,
        CreateLost: State.UNCERTAIN,
        Found: State.RUNNING,
        NotFound: State.LOST,
        RecreateAllowed: State.INTENT,
    },
    State.CREATING: {
        **TABLE[State.CREATING],
        Refused: State.UNCERTAIN,
    },
}


class IllegalEventError(Exception):
    """An event came that cannot happen in this state: a fault of ours."""

    def __init__(self, state: State, event: TaskEvent) -> None:
        super().__init__(f"{type(event).__name__} cannot happen to a task that is {state.value}")
        self.state = state
        self.event = event


def step(state: State, event: TaskEvent, *, perhaps: bool = False) -> State:
    """The state that ``event`` leads to. Raises: IllegalEventError.

    ``perhaps`` says that the answer to a create of the task was lost before.
    """
    after = (AFTER_A_LOSS if perhaps else TABLE)[state].get(type(event))
    if after is None:
        raise IllegalEventError(state, event)
    return after
