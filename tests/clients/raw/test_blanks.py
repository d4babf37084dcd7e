"""Blanks before a late answer, as the libraries read them that are on neither package index."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio

from tests.clients.raw import dotnet, go, java, php, ruby
from tests.clients.raw.client import Client
from tests.clients.raw.everyone import marked
from tests.clients.raw.shop import Shop
from tests.clients.raw.wire import Request, wired
from tests.e2e.stand import behaving

pytestmark = pytest.mark.asyncio(loop_scope="module")

LIBRARIES = (go.GO, go.OFFICIAL, dotnet.DOTNET, java.JAVA, php.PHP, ruby.RUBY, ruby.OFFICIAL)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def _hurried(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Shop]:
    """A gateway that sends the first blank at once."""
    server = {"heartbeats": {"whitespace_after": 0, "interval": 1}}
    async with behaving(tmp_path_factory.mktemp("stand"), server=server) as stand:
        yield Shop(stand)


@pytest_asyncio.fixture(loop_scope="module")
async def hurried(_hurried: Shop) -> AsyncIterator[Shop]:
    shop = Shop(_hurried.stand)
    shop.vendor_fails({"where": "create", "kind": "slow", "seconds": 0.1})
    yield shop
    await shop.close()


def asking(request: Request) -> Request:
    """The same, with the wish for blanks."""
    wish = ("X-Gateway-Keepalive", "whitespace")
    return replace(request, headers=[*request.headers, wish])


@marked(LIBRARIES, 49)
async def test_an_answer_after_blanks_is_read_like_any_other(hurried: Shop, client: Client) -> None:
    async with wired(hurried) as wire:
        reply = await wire.ask(asking(client.generate(hurried)))
    assert reply.body.startswith(b" ")
    assert reply.header("content-length") is None
    assert len(await client.seen(hurried, reply)) == 1
    assert hurried.purchases == 1


@marked(LIBRARIES, 49)
async def test_a_late_failure_ends_the_connection_and_is_bought_once(
    hurried: Shop, client: Client
) -> None:
    hurried.vendor_fails({"where": "create", "kind": "failed", "times": None})
    async with wired(hurried) as wire:
        await wire.send(bytes(asking(client.generate(hurried))))
        assert (await wire.begin())[0] == 200
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await wire._chunked()
    async with wired(hurried) as wire:  # what a library does that takes this for a broken line
        reply = await wire.ask(client.generate(hurried, 1 if client.retries else 0))
    assert reply.told == (502, "upstream_task_failed", None)
    assert client.told(reply)
    assert hurried.purchases == 1
