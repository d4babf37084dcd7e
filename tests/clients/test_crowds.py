"""Two hundred callers wait, and a new one comes."""

import asyncio
from collections.abc import Callable

import httpx
import pytest

from tests.clients.books import Books
from tests.clients.known import NODE7, PY1, PY3, row
from tests.clients.users import User
from tests.e2e.stand import Stand

pytestmark = [pytest.mark.clients, pytest.mark.asyncio(loop_scope="module")]

WAITING = 200
SECTIONS: dict[str, object] = {
    "upstream": {"max_tasks": 2 * WAITING, "polling": {"scale": 0.1}},
}
SMALL = {"model": "gpt-image-2", "size": "1024x768", "quality": "low"}
STUCK = {"where": "create", "kind": "stuck", "times": None, "match": "patient"}


@row(48, PY1, PY3, NODE7)
async def test_a_new_caller_is_served_while_two_hundred_wait(
    users: Callable[[str], User], stand: Stand, books: Books, prompt: str
) -> None:
    stand.vendor_fails(STUCK)
    newcomers = [users(name) for name in (PY1, PY3, NODE7)]
    for user in newcomers:  # their processes have started
        await user.call("models.list")
    wish = {"prompt": "a patient lighthouse", **SMALL}
    unbounded = httpx.Limits(max_connections=None)
    async with stand.plain(limits=unbounded, timeout=120) as plain, asyncio.TaskGroup() as waiting:
        tasks = [
            waiting.create_task(plain.post("/v1/images/generations", json=wish))
            for _ in range(WAITING)
        ]
        await stand.until(lambda: books.purchases == WAITING, 60)
        stand.simulator.vendor.studio.abandon()  # nobody will ever see the pictures of these
        for user in newcomers:
            async with asyncio.timeout(5):
                settled = user.with_(timeout=5, max_retries=0)
                seen = await settled.generate(prompt=prompt, **SMALL)
            assert len(await seen.pictures()) == 1
        assert len(stand.gateway.board) == WAITING
        for task in tasks:
            task.cancel()
    assert books.purchases == WAITING + len(newcomers)
