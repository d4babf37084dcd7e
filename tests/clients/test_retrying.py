"""Clients ask again by themselves, give up, come back: whatever they do, a wish is bought once."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, TypeVar

import pytest

from tests.clients.books import Books
from tests.clients.driving import Refused
from tests.clients.known import AI, NODE4, NODE6, NODE7, PY1, PY2, PY3, by, row
from tests.clients.users import Seen, User
from tests.e2e.stand import KEY, Stand

T = TypeVar("T")
Users = Callable[[str], User]

pytestmark = [pytest.mark.clients, pytest.mark.asyncio(loop_scope="module")]

LIMITED = (PY1, PY2, PY3, NODE4, NODE6, NODE7, AI)
SECTIONS: dict[str, object] = {
    "keys": [
        {"name": "studio", "key": KEY},
        *(
            {
                "name": name,
                "key": f"client-of-{name}",
                "limits": {"requests_per_minute": 60, "requests_burst": 1},
            }
            for name in LIMITED
        ),
    ],
}
SDKS = (PY1, PY2, PY3, NODE4, NODE6, NODE7)
SMALL = {"model": "gpt-image-2", "size": "1024x768", "quality": "low"}
TIMED_OUT = {"APITimeoutError", "APIConnectionTimeoutError", "InternalServerError"}


async def together(calls: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """All at once."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(call) for call in calls]
    return [task.result() for task in tasks]


def slow(seconds: float) -> dict[str, object]:
    return {"where": "create", "kind": "slow", "times": None, "seconds": seconds}


async def one(seen: Seen, books: Books) -> None:
    """One whole picture, of one purchase."""
    (picture,) = await seen.pictures()
    assert picture.size == (1024, 768)
    assert (books.purchases, books.images) == (1, 1)


@row(34, *LIMITED)
async def test_who_is_told_when_to_come_back_comes_back_and_is_served(
    users: Users, books: Books, prompt: str
) -> None:
    async def twice(user: User) -> None:
        limited = user.with_(api_key=f"client-of-{user.name}")
        wishes = [f"{prompt}, {i}, {user.name}" for i in range(2)]
        seen = await together(limited.generate(prompt=wish, **SMALL) for wish in wishes)
        assert [len(await one.pictures()) for one in seen] == [1, 1]
        assert [books.bought(wish) for wish in wishes] == [1, 1]

    await together(twice(users(name)) for name in LIMITED)
    await books.asked(3 * len(LIMITED))
    for name in LIMITED:
        statuses = [one.status for one in books.requests if one.key_name == name]
        assert sorted(statuses, key=str) == [200, 200, 429]


@by(34, PY1, PY3, NODE4, NODE7, AI)
async def test_the_vendors_own_refusal_for_a_moment_costs_no_picture(
    user: User, books: Books, prompt: str
) -> None:
    refusal = {"where": "create", "kind": "throttled", "retry_after": "1"}
    user.stand.vendor_fails(refusal)
    await one(await user.generate(prompt=prompt, **SMALL), books)
    asked = await books.over()
    assert asked[-1].status == 200
    assert len(asked) <= 2


@row(35, *SDKS)
async def test_repetitions_after_time_outs_join_and_a_longer_one_gets_the_picture(
    users: Users, stand: Stand, books: Books, prompt: str
) -> None:
    stand.vendor_fails(slow(2.8))

    async def insist(user: User) -> None:
        wish = f"{prompt}, {user.name}"
        hasty = user.with_(timeout=0.3, max_retries=2)
        with pytest.raises(Refused) as caught:
            await hasty.generate(prompt=wish, **SMALL)
        assert caught.value.told["class"] in TIMED_OUT
        seen = await user.with_(timeout=30).generate(prompt=wish, **SMALL)
        assert [picture.size for picture in await seen.pictures()] == [(1024, 768)]
        assert books.bought(wish) == 1

    await together(insist(users(name)) for name in SDKS)
    assert books.purchases == len(SDKS)
    await books.asked(4 * len(SDKS))


@by(36, PY1, PY2, PY3, NODE4, NODE6, NODE7, AI)
async def test_one_key_is_one_purchase_and_one_answer(
    user: User, books: Books, prompt: str
) -> None:
    seen = [await keyed(user, prompt, {"prompt": prompt, **SMALL}) for _ in range(2)]
    assert seen[0].data == seen[1].data
    if user.name != AI:
        assert seen[0].value["created"] == seen[1].value["created"]
    await one(seen[1], books)
    await books.asked(2)


async def keyed(user: User, key: str, wish: dict[str, Any]) -> Seen:
    headers = {"Idempotency-Key": key}
    if user.name == AI:
        return await user.generate(**wish, headers=headers)
    if user.known.python:
        return await user.generate(**wish, extra_headers=headers)
    return await user.call("images.generate", args=wish, options={"headers": headers})


@row(37, NODE4, NODE6, NODE7, AI)
async def test_who_hangs_up_and_asks_again_gets_what_was_begun(
    users: Users, stand: Stand, books: Books, prompt: str
) -> None:
    stand.vendor_fails(slow(1.5))
    names = (NODE4, NODE6, NODE7, AI)

    async def leave(user: User) -> None:
        wish, soon = {"prompt": f"{prompt}, {user.name}", **SMALL}, {"abort_after": 300}
        if user.name == AI:
            call = user.generate(**wish, **soon)
        else:
            call = user.call("images.generate", args=wish, options=soon)
        with pytest.raises(Refused):
            await call

    async def come_back(user: User) -> None:
        wish = f"{prompt}, {user.name}"
        seen = await user.generate(prompt=wish, **SMALL)
        assert [picture.size for picture in await seen.pictures()] == [(1024, 768)]
        assert books.bought(wish) == 1

    await together(leave(users(name)) for name in names)
    await stand.until(lambda: len(books.requests) == len(names))
    assert all(one.left_early for one in books.requests)
    await together(come_back(users(name)) for name in names)
    assert books.purchases == len(names)
    await books.asked(2 * len(names))


@by(38, NODE7)
async def test_a_client_that_gives_up_on_headers_gets_the_picture_by_asking_again(
    user: User, books: Books, prompt: str
) -> None:
    """``python -m tests.clients patience`` does it with Node's own 300 s."""
    user.stand.vendor_fails(slow(2.5))
    hasty = user.with_(patience=1000, max_retries=0)
    with pytest.raises(Refused) as caught:
        await hasty.generate(prompt=prompt, **SMALL)
    assert caught.value.told["class"] == "APIConnectionTimeoutError" or (
        caught.value.cause == "UND_ERR_HEADERS_TIMEOUT"
    )
    await one(await user.generate(prompt=prompt, **SMALL), books)
    await books.asked(2)


@by(38, NODE7)
async def test_the_sdks_own_repetitions_collect_what_took_too_long(
    user: User, books: Books, prompt: str
) -> None:
    user.stand.vendor_fails(slow(2.5))
    await one(await user.with_(patience=1000).generate(prompt=prompt, **SMALL), books)
    assert len(await books.over()) >= 2
