"""What a task costs, and when that is settled: pure arithmetic.

Owns: which event settles how much of a task's cost. It is the arithmetic of the keys' books
(``state/accounts.py``), for one task. Must not know: prices, keys, who is told. Micro-dollars.
"""

from dataclasses import dataclass

from gateway.events import (
    FINAL,
    CreateLost,
    Dropped,
    LinkDead,
    NotFound,
    Refused,
    State,
    Succeeded,
    TaskEvent,
    TaskFailed,
    Vanished,
)
from gateway.state.base import TaskRow
from gateway.state.shares import unkept
from gateway.translate.money import micro_dollars


@dataclass(slots=True)
class Charge:
    """One task's: ``amount`` is what it is taken to cost, ``charged`` what was ever told as spent.

    ``earlier`` of that was told before this run of its job. ``perhaps`` says that a create of it
    was sent whose answer never came, so that giving it up does not make it free. ``unserved`` of it
    was told as bought for nobody: a task that was lost, and fails when it is found, is one loss.
    """

    amount: int = 0
    charged: int = 0
    earlier: int = 0
    settled: bool = False
    perhaps: bool = False
    unserved: int = 0

    @property
    def cost(self) -> int:
        """What is settled."""
        return self.amount if self.settled else 0

    @property
    def spent(self) -> int:
        """What was told as spent in this run of its job."""
        return self.charged - self.earlier

    def step(self, event: TaskEvent, state: State) -> int:
        """Take an event that led to ``state``; how much more it settles as spent."""
        match event:
            case CreateLost():
                self.perhaps = True
            case Dropped() | Refused() if not self.perhaps:
                self.amount = 0
            case Succeeded() | TaskFailed():
                self.amount = micro_dollars(event.cost_usd, otherwise=self.amount)
        if state not in FINAL and not isinstance(event, Succeeded):
            return 0
        self.settled = True
        more = max(0, self.amount - self.charged)
        self.charged += more
        return more

    def waste(self, event: TaskEvent, kept: int = 0, wanted: int = 1) -> int:
        """How much more was bought for nobody by an event whose ``step`` was taken.

        Of the pictures that were ``wanted`` of the task so many were ``kept`` all the same: their
        share may still serve somebody.
        """
        match event:
            case NotFound() | Dropped() | Refused() | TaskFailed() | Vanished():
                wasted = self.cost
            case LinkDead():
                wasted = unkept(self.cost, kept, wanted)
            case _:
                wasted = 0
        more = max(0, wasted - self.unserved)
        self.unserved += more
        return more


def charge_of(task: TaskRow) -> Charge:
    """The charge of a task as it was written down; what had been told of it is not told again.

    One that was LOST had all that was set aside for it told then, as spent and as bought for
    nobody, whatever it came to when it was found.
    """
    amount = task.reserved if task.charged is None else task.charged
    lost = task.reserved if task.not_found else 0
    settled = task.charged is not None or task.not_found or task.state in FINAL
    told = max(lost, amount) if settled else 0
    return Charge(
        amount,
        told,
        earlier=told,
        settled=settled,
        perhaps=task.create_lost,
        unserved=lost,
    )
