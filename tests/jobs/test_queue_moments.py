"""Turns at the moments when a process ends and the next one begins."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.jobs.fakes import House
from tests.jobs.plans import a_plan
from tests.jobs.test_recovery import dies, over

_STEPS = 20  # of the loop, more than a task needs from its beginning to its turn


async def test_what_the_vendor_has_of_every_job_is_known_before_the_first_turn_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two at once: one of three of the first job, and the second job's only one."""
    async with House(tmp_path, durable=True, max_tasks=2) as house:
        house.governor.submits.pause(1.0)
        first, second = house.wish(a_plan(10)), house.wish(a_plan(1), fingerprint=b"other")
        await house.runner.start(first)
        await house.runner.start(replace(second, key_name="other"))
        await house.clock.advance(5.0)
        assert len(house.vendor.purchases) == 2
        dies(house)
        async with House(tmp_path, before=house, max_tasks=2) as heir:
            remark = heir.store.remark

            async def slowly(*told: Any) -> None:
                for _ in range(_STEPS):
                    await heir.clock.sleep(0)
                await remark(*told)

            monkeypatch.setattr(heir.store, "remark", slowly)
            assert await heir.recovery.recover() == 2
            assert heir.queue.at_vendor == 2
            await heir.clock.advance(5.0)
            assert len(heir.vendor.purchases) == 2
            await over(heir)
            assert len(heir.vendor.purchases) == 4
