"""What has to be done now and then: second looks, the keys' accounts, forgetting what is old.

Owns: when, and the telling of what went to nobody. Must not know: how it is done. One round that
cannot be done is left to the next.
"""

from collections.abc import Awaitable, Callable

from gateway.errors import LedgerUnavailable
from gateway.jobs.memory import Memory
from gateway.jobs.recovery import SecondLook
from gateway.notices import Chore, ChoreFailed, LedgerPruned, PurchaseUnclaimed

_ROUND = 60.0
_ROUNDS_PER_PRUNING = 60


class Housekeeping:
    """A loop; ``keep`` is for how many seconds a job that ended is remembered."""

    def __init__(self, memory: Memory, look: SecondLook, keep: float) -> None:
        self._memory = memory
        self._look = look
        self._keep = keep

    async def run(self) -> None:
        """Do rounds for ever; cancel to stop."""
        rounds = 0
        while True:
            await self._do("write_off", self._write_off)
            if rounds % _ROUNDS_PER_PRUNING == 0:
                await self._do("prune", self._prune)
            await self._memory.clock.sleep(_ROUND)
            rounds += 1
            await self._do("look", self._look.look)
            await self._do("accounts", self._memory.store.keep_accounts)

    async def _do(self, chore: Chore, do: Callable[[], Awaitable[object]]) -> None:
        """Nothing is lost by what cannot be done: the next round does it."""
        try:
            await do()
        except LedgerUnavailable:
            return
        except Exception as error:  # noqa: BLE001 - one chore's fault must not end the others
            self._memory.journal.announce(ChoreFailed(chore=chore, error=error))

    async def _write_off(self) -> None:
        """Tell, once, of pictures that died before anybody had them.

        The ledger goes by the wall clock, which may have been set: what still lies on the shelf has
        not died. That it was told is written first, for twice would be a loss that was none.
        """
        memory = self._memory
        dead = [
            one
            for one in await memory.store.unclaimed()
            if all(memory.shelf.is_gone(token) for token in one.tokens)
        ]
        if not dead:
            return
        await memory.store.write_off([one.job_id for one in dead])
        for one in dead:
            told = PurchaseUnclaimed(
                job_id=one.job_id, key_name=one.key_name, images=len(one.tokens), cost=one.cost
            )
            memory.journal.announce(told)

    async def _prune(self) -> None:
        jobs = await self._memory.store.prune(self._memory.clock.wall() - self._keep)
        if jobs:
            self._memory.journal.announce(LedgerPruned(jobs=jobs))
