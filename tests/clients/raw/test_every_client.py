"""What holds for every client: what it sends is served, it can read the answer, and pays once."""

from dataclasses import replace
from typing import Any

import pytest

from tests.canaries import MARK
from tests.clients.raw.client import Client
from tests.clients.raw.everyone import CLIENTS, each
from tests.clients.raw.shop import Shop
from tests.clients.raw.wire import Request, ask, wired
from tests.e2e.pictures import drawn_png, mask_png
from tests.e2e.stand import KEY

pytestmark = pytest.mark.asyncio(loop_scope="module")

PNG = drawn_png((96, 64))
OTHER = drawn_png((64, 96), seed=2)
MASK = mask_png((96, 64), (10, 10, 50, 40))
# One of each rule for asking again.
PATIENT = {"openai-dotnet", "openai-java", "openai-go", "openai-ruby", "ai-sdk"}
# And of those that never do; their users ask again.
HASTY = {"go-openai", "openai-php", "ruby-openai", "open-webui", "nextchat", "codex", "curl"}
WRONG = "sk-wrong-key-of-nobody"


def edits(client: Client) -> bool:
    return client.edit is not None


def joins_several(client: Client) -> bool:
    return edits(client) and client.several


def brings_masks(client: Client) -> bool:
    return edits(client) and client.masks


def brings_none(client: Client) -> bool:
    return edits(client) and not client.masks


def with_key(request: Request, key: str) -> Request:
    headers = [(name, value.replace(KEY, key)) for name, value in request.headers]
    assert headers != list(request.headers)
    return replace(request, headers=headers)


def edit_of(client: Client, *arguments: Any, **scalars: Any) -> Request:
    assert client.edit is not None
    return client.edit(*arguments, **scalars)


@each(20, 21, 43)
async def test_it_asks_for_a_picture_and_sees_one(shop: Shop, client: Client) -> None:
    reply = await ask(shop, client.generate(shop))
    (made,) = await client.seen(shop, reply)
    assert "x".join(map(str, made.size)) == reply.json["size"]
    assert (reply.status, reply.reason) == (200, "OK")
    assert (reply.header("x-request-id") or "").startswith("req_")
    assert shop.purchases == 1


@each(13, 14, where=brings_none)
async def test_it_edits_a_picture(shop: Shop, client: Client) -> None:
    reply = await ask(shop, edit_of(client, shop, [PNG]))
    assert len(await client.seen(shop, reply)) == 1
    assert (shop.bought()["references"], shop.bought()["mask"]) == (1, False)
    assert shop.purchases == 1


@each(13, where=joins_several)
async def test_it_joins_several_pictures_in_their_order(shop: Shop, client: Client) -> None:
    tall, wide = drawn_png((300, 400)), drawn_png((400, 300), seed=2)
    reply = await ask(shop, edit_of(client, shop, [tall, wide, OTHER], size="auto"))
    (made,) = await client.seen(shop, reply)
    assert made.size == (768, 1024)  # without a size the vendor takes the first one's shape
    assert shop.bought()["references"] == 3
    assert shop.purchases == 1


@each(13, 14, 16, where=brings_masks)
async def test_its_mask_goes_along_with_its_picture(shop: Shop, client: Client) -> None:
    reply = await ask(shop, edit_of(client, shop, [PNG], MASK))
    assert len(await client.seen(shop, reply)) == 1
    assert (shop.bought()["references"], shop.bought()["mask"]) == (1, True)
    other = edit_of(client, shop, [OTHER], MASK)  # which is upright
    replies = await client.persist(shop, lambda _: other)
    assert [reply.told for reply in replies] == [(400, "invalid_value", "mask")]
    assert client.told(replies[0])
    assert shop.purchases == 1


@each(30, 31)
async def test_it_can_read_why_it_was_refused_and_nothing_is_bought(
    shop: Shop, client: Client
) -> None:
    replies = await client.persist(
        shop, lambda attempt: client.generate(shop, attempt, size="9000x100")
    )
    assert [reply.told for reply in replies] == [(400, "invalid_value", "size")]
    assert client.told(replies[0])
    assert replies[0].error["type"] == "image_generation_user_error"
    replies = await client.persist(
        shop, lambda attempt: with_key(client.generate(shop, attempt), WRONG)
    )
    assert [reply.told for reply in replies] == [(401, "invalid_api_key", None)]
    assert client.told(replies[0])
    for reply in replies:
        assert WRONG.encode() not in reply.body
        assert (reply.header("x-request-id") or "").startswith("req_")
    assert shop.calls("create") == 0


@each(18, where=edits)
async def test_what_is_no_picture_is_told_by_its_name(shop: Shop, client: Client) -> None:
    replies = await client.persist(
        shop, lambda attempt: edit_of(client, shop, [b"hi, I am a text"], attempt=attempt)
    )
    assert [reply.told[:2] for reply in replies] == [(400, "unsupported_file_mimetype")]
    assert client.told(replies[0])
    assert shop.calls("create") == 0


@each(32)
async def test_what_the_safety_system_refused_is_told_once(shop: Shop, client: Client) -> None:
    shop.vendor_fails({"where": "create", "kind": "moderated", "times": None})
    replies = await client.persist(shop, lambda attempt: client.generate(shop, attempt))
    assert [reply.told[:2] for reply in replies] == [(400, "moderation_blocked")]
    assert client.told(replies[0])
    assert MARK.encode() not in replies[0].body
    assert shop.purchases == 1


@each(33)
async def test_a_failure_after_the_purchase_is_bought_once_however_often_it_asks(
    shop: Shop, client: Client
) -> None:
    shop.vendor_fails({"where": "create", "kind": "failed", "times": None})
    replies = await client.persist(shop, lambda attempt: client.generate(shop, attempt))
    assert {reply.told for reply in replies} == {(502, "upstream_task_failed", None)}
    assert {reply.header("x-should-retry") for reply in replies} == {"false"}
    assert client.told(replies[-1])
    heeds = client.again(replies[-1]) is False
    assert len(replies) == (1 if heeds else client.retries + 1)
    assert shop.purchases == 1


@each(35, 37, where=lambda client: client.id in PATIENT | HASTY)
async def test_who_hangs_up_and_asks_again_gets_what_was_paid_for(
    shop: Shop, client: Client
) -> None:
    """It says that it comes again, if that is its way; if not, an equal request is enough."""
    shop.vendor_fails({"where": "create", "kind": "slow", "seconds": 0.15})
    async with wired(shop) as wire:
        await wire.send(bytes(client.generate(shop)))
        await shop.until(lambda: shop.purchases)
        wire.hang_up(abruptly=True)
        await shop.until(lambda: shop.left_early)
    reply = await ask(shop, client.generate(shop, 1 if client.retries else 0))
    assert reply.header("x-gateway-joined") == "true"
    assert len(await client.seen(shop, reply)) == 1
    assert shop.purchases == 1


@each(35, 37, where=lambda client: client.id in PATIENT)
async def test_so_does_who_uploads_the_same_again_in_another_form(
    shop: Shop, client: Client
) -> None:
    shop.vendor_fails({"where": "create", "kind": "slow", "seconds": 0.15})
    async with wired(shop) as wire:
        await wire.send(bytes(edit_of(client, shop, [PNG, OTHER])))
        await shop.until(lambda: shop.purchases)
        wire.hang_up()
        await shop.until(lambda: shop.left_early)
    reply = await ask(shop, edit_of(client, shop, [PNG, OTHER], attempt=1))
    assert len(await client.seen(shop, reply)) == 1
    assert shop.purchases == 1


@each(34, where=lambda client: client.id in PATIENT)
async def test_what_was_refused_for_the_moment_is_bought_once_when_it_comes_again(
    narrow: Shop, client: Client
) -> None:
    narrow.vendor_fails({"where": "create", "kind": "slow", "seconds": 0.2})
    async with wired(narrow) as wire:
        await wire.send(bytes(client.generate(narrow, prompt=f"{MARK}, first")))
        await narrow.until(lambda: narrow.purchases)
        refused = await ask(narrow, client.generate(narrow))
        assert (refused.status, refused.error["code"]) == (429, "rate_limit_exceeded")
        assert refused.header("x-should-retry") != "false"
        assert 0 < int(refused.header("retry-after") or 0) <= 60
        assert client.again(refused)
        assert len(await client.seen(narrow, await wire.reply())) == 1
    reply = await ask(narrow, client.generate(narrow, 1))
    assert len(await client.seen(narrow, reply)) == 1
    assert narrow.purchases == 2


async def test_no_two_are_called_the_same() -> None:
    assert len({client.id for client in CLIENTS}) == len({client.name for client in CLIENTS})
    assert len({client.id for client in CLIENTS}) == len(CLIENTS)


async def test_none_says_anything_twice(shop: Shop) -> None:
    for client in CLIENTS:
        names = [name.lower() for name, _ in client.generate(shop).headers]
        assert len(set(names)) == len(names), client.id
        assert names.count("host") == 1
