"""Blanks come before a late answer: every client reads over them, and takes no failure for one."""

import pytest

from tests.clients.books import Books
from tests.clients.driving import Refused
from tests.clients.known import AI, NODE3, NODE4, NODE6, NODE7, PY0, PY1, PY2, PY3, by, row
from tests.clients.users import User
from tests.e2e.stand import KEY, Stand

pytestmark = [pytest.mark.clients, pytest.mark.asyncio(loop_scope="module")]

PACE = 10.0
SECTIONS: dict[str, object] = {
    "keys": [{"name": "studio", "key": KEY, "keepalive": "whitespace"}],
    "server": {"heartbeats": {"interval": 1, "whitespace_after": 1}},
}
ALL = (PY0, PY1, PY2, PY3, NODE3, NODE4, NODE6, NODE7, AI)
RETRYING = {PY1, PY2, PY3, AI}
TWICE = {"where": "create", "kind": "slow", "times": None, "seconds": 0.6}
# Ends badly, and late enough for blanks to have been sent.
LATE = (
    {"where": "create", "kind": "failed", "times": None},
    {"where": "status", "kind": "stall", "times": None, "seconds": 0.6},
)


def wish(user: User, prompt: str) -> dict[str, object]:
    old = {} if user.name in {PY0, NODE3} else {"model": "gpt-image-2", "quality": "low"}
    return {"prompt": prompt, "n": 1, "size": "1024x768", **old}


@by(49, *ALL)
async def test_blanks_before_an_answer_are_read_over(user: User, books: Books, prompt: str) -> None:
    user.stand.vendor_fails(TWICE)
    seen = await user.generate(**wish(user, prompt))
    (picture,) = await seen.pictures()
    assert picture.size == (1024, 768)
    assert (books.purchases, books.images) == (1, 1)
    await books.asked(1)
    assert books.requests[0].manner == "whitespace"


@row(49, "httpx", how="raw bytes")
async def test_blanks_do_come(stand: Stand, books: Books, prompt: str) -> None:
    stand.vendor_fails(TWICE)
    async with stand.plain() as client:
        answer = await client.post("/v1/images/generations", json={"prompt": prompt, "size": "1k"})
        assert answer.status_code == 400  # what is refused at once has its status
        wished = {"prompt": prompt, "size": "1024x768"}
        answer = await client.post("/v1/images/generations", json=wished)
    blanks = len(answer.content) - len(answer.content.lstrip())
    assert blanks >= 3
    assert answer.headers["content-type"] == "application/json"
    assert len(answer.json()["data"]) == books.purchases == 1


@by(49, *ALL)
async def test_a_late_failure_is_never_taken_for_an_answer(
    user: User, books: Books, prompt: str
) -> None:
    user.stand.vendor_fails(*LATE)
    if user.name == AI:  # which waits for two seconds, then for four
        user = user.with_(max_retries=1)
    with pytest.raises(Refused) as caught:
        await user.generate(**wish(user, prompt))
    first, *again = await books.over()
    assert (first.status, first.late_status) == (200, 502)
    assert books.purchases == 1
    if user.name in RETRYING:  # the connection was cut; asked again, the failure is told at once
        assert [(one.status, one.late_status) for one in again] == [(502, None)] * len(again)
        told = caught.value.last["body"]["error"] if user.name == AI else caught.value.told
        assert told["code"] == "upstream_task_failed"
        assert "upstream could not make the picture" in caught.value.message
    else:
        assert again == []
        assert caught.value.status is None
