"""All that is secret at once, in a gateway that is asked for everything and to which all happens.

What it says is searched here, and with everything else at the end of the run.
"""

import json
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from click.testing import CliRunner

from gateway.cli import main
from gateway.config.loader import load
from gateway.notices import HintCame
from tests import canaries
from tests.e2e.callers import calling, head
from tests.e2e.stand import KEY, Stand, behaving
from tests.outputs import OUTPUTS, Outputs

TOKEN = {"authorization": f"Bearer {canaries.OPERATORS_TOKEN}"}
WISH: dict[str, Any] = {"model": "gpt-image-2", "size": "1024x1024", "quality": "low"}
GOSSIP = f"{canaries.VENDOR_KEY} asked for {canaries.PROMPT}"
CONFIG = f"""
server: {{public_url: "https://pictures.example"}}
upstream: {{api_key: {canaries.VENDOR_KEY}, webhook_secret: {canaries.VENDOR_WEBHOOK_SECRET}}}
keys: [{{name: studio, key: {canaries.CLIENT_KEY}}}]
ops: {{token: {canaries.OPERATORS_TOKEN}}}
"""


async def good_and_bad(stand: Stand) -> None:
    """Requests that are served, joined, refused and broken off."""
    again = {"idempotency-key": canaries.IDEMPOTENCY_KEY}
    async with stand.client() as client:
        for _ in range(2):
            await client.images.generate(prompt=canaries.PROMPT, extra_headers=again, **WISH)
        with pytest.raises(openai.UnprocessableEntityError):
            await client.images.generate(prompt="other", extra_headers=again, **WISH)
        with pytest.raises(openai.BadRequestError):
            await client.images.generate(prompt=canaries.PROMPT, size="1x1", model="gpt-image-2")
        stand.vendor_fails({"where": "create", "kind": "bad_request", "message": GOSSIP})
        with pytest.raises(openai.APIStatusError):
            await client.images.generate(prompt=f"{canaries.PROMPT}, refused", **WISH)
    body = json.dumps({"prompt": canaries.PROMPT, **WISH}).encode()
    async with calling(stand) as caller:
        await caller.send(head("/v1/images/generations", content_length=str(len(body))) + body)
        caller.leave("reset")


async def wrong_ones(stand: Stand) -> None:
    """Requests that are no good from the first line on."""
    async with stand.plain() as client:
        # A path is repeated to whoever sent it, as OpenAI does; what may be a key is not.
        for path in (f"/v1/nowhere?prompt={canaries.PROMPT}", f"/?api_key={KEY}"):
            assert (await client.get(path)).status_code == 404
        wrong = {"authorization": f"Bearer x{KEY}"}
        assert (await client.get("/v1/models", headers=wrong)).status_code == 401
        forged = {"x-toapis-webhook-signature": f"v1={canaries.VENDOR_WEBHOOK_SECRET}"}
        answer = await client.post("/webhooks/toapis", headers=forged, content=GOSSIP.encode())
        assert answer.status_code == 401
        said = f'{{"prompt": "{canaries.PROMPT}" and no more'
        answer = await client.post("/v1/images/generations", content=said.encode())
        assert answer.status_code >= 400


async def operators(stand: Stand) -> list[str]:
    """What operators' pages say, with the token and without."""
    transport = httpx.ASGITransport(stand.gateway.operators)
    async with httpx.AsyncClient(transport=transport, base_url="http://operators") as client:
        answers = [
            await client.get(path, headers=headers)
            for path in ("/", "/livez", "/readyz?verbose", "/metrics", f"/{canaries.PROMPT}")
            for headers in (TOKEN, {})
        ]
    return [answer.text for answer in answers]


async def test_a_gateway_to_which_everything_happens_gives_nothing_away(tmp_path: Path) -> None:
    outputs = Outputs()
    outputs.open(tmp_path / "outputs")
    ops = {"token": canaries.OPERATORS_TOKEN}
    upstream = {"webhook_secret": canaries.VENDOR_WEBHOOK_SECRET}
    async with behaving(tmp_path, ops=ops, upstream=upstream) as stand:
        stand.vendor_is(
            webhook_url=f"{stand.url}/webhooks/toapis",
            webhook_secret=canaries.VENDOR_WEBHOOK_SECRET,
        )
        await good_and_bad(stand)
        await wrong_ones(stand)
        for page in await operators(stand):
            outputs.keep("pages", page)
        await stand.until(lambda: not stand.gateway.board.jobs())
        outputs.conceal([canaries.VENDOR_KEY, canaries.CLIENT_KEY, canaries.OPERATORS_TOKEN])
        for fact in stand.facts:
            outputs.emit(fact)
            outputs.keep("facts", repr(fact))
    verdict = outputs.judge()
    assert stand.purchases  # so something was said
    came = {fact.result for fact in stand.facts if isinstance(fact, HintCame)}
    assert {"refused"} < came
    assert [str(hit) for hit in verdict.hits] == []
    assert verdict.sizes["facts"] > 1000


def test_a_configuration_gives_nothing_away_however_it_is_shown(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG)
    loaded = load(str(path))
    config = loaded.config
    dumps = (repr(loaded), str(config), repr(config.upstream), config.model_dump_json())
    shown = CliRunner().invoke(main, ["check", "--config", str(path), "--json"])
    assert shown.exit_code == 0
    for said in (*dumps, shown.output):
        OUTPUTS.keep("dumps", said)
        assert canaries.MARK not in said


@pytest.mark.parametrize("how", ["check", "serve", "doctor"])
def test_an_address_of_a_ledger_with_a_password_is_refused_without_saying_it(
    tmp_path: Path, how: str
) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(f"{CONFIG}state: {{url: '{canaries.LEDGER_URL}'}}\n")
    refused = CliRunner().invoke(main, [how, "--config", str(path)])
    assert refused.exit_code != 0
    assert "state.url" in refused.output
    assert canaries.MARK not in refused.output
