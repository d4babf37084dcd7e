import hashlib

import httpx

from gateway.config.simulated import Simulator as Section
from gateway.simulator.app import Simulator
from gateway.simulator.settings import Settings
from tests.simulator.house import AUTH, ORDER, FakeClock, House, photo
from tests.simulator.house import house as opened


async def test_purchases_are_counted_and_listed_without_their_prompts(house: House) -> None:
    await house.create(n=3, client_business_id="gw-1", quality="high", size="16:9")
    house.clock.now += 1
    await house.create(client_business_id="gw-2")
    told = await house.control("purchases")
    assert (told["purchases"], told["images"], told["credits"]) == (2, 4, 83)
    assert told["by_client_business_id"] == {"gw-1": 1, "gw-2": 1}
    assert told["bought_twice"] == []
    first = told["tasks"][0]
    assert first["prompt_sha256"] == hashlib.sha256(b"a lighthouse in fog").hexdigest()
    assert "lighthouse" not in str(told)
    assert (first["n"], first["size"], first["pixels"]) == (3, "16:9", "1536x864")
    assert (first["resolution"], first["quality"], first["state"]) == ("1k", "high", "waiting")
    assert first["created_at"] == 1_790_000_000


async def test_the_newest_purchases_are_listed_as_many_as_asked(house: House) -> None:
    for number in range(5):
        await house.create(client_business_id=str(number))
    for asked, listed in (("2", ["3", "4"]), ("0", []), ("x", list("01234"))):
        told = (await house.client.get(f"/control/purchases?tasks={asked}")).json()
        assert [task["client_business_id"] for task in told["tasks"]] == listed
        assert told["purchases"] == 5


async def test_the_most_tasks_at_once_are_remembered(house: House) -> None:
    for _ in range(3):
        await house.create()
    house.clock.now += 1000
    await house.create()
    told = await house.control("purchases")
    assert (told["running"], told["most_running"]) == (1, 3)


async def test_the_control_endpoint_needs_no_key(house: House) -> None:
    for name in ("purchases", "settings", "faults", "stats"):
        answer = await house.client.get(f"/control/{name}", headers={"authorization": ""})
        assert answer.status_code == 200


async def test_calls_are_counted_by_kind(house: House) -> None:
    await house.create()
    await house.status("x")
    await house.uploaded(photo(8, 8))
    await house.client.get("/files/x")
    await house.client.get("/v1/models")
    await house.client.get("/v1/balance")
    told = await house.control("stats")
    assert told["calls"] == dict.fromkeys(
        ("create", "status", "upload", "file", "models", "balance"), 1
    )
    assert told["throttled_submits"] == told["throttled_queries"] == 0


async def test_a_reset_forgets_everything(house: House) -> None:
    await house.control("settings", {"vocabulary": "live"})
    url = await house.uploaded(photo(64, 64))
    name = (await house.create(client_business_id="gw-1", n=4)).json()["id"]
    await house.control("faults", [{"where": "create", "kind": "garbage"}])
    assert await house.control("reset", {}) == {"reset": True}
    assert (await house.control("purchases"))["purchases"] == 0
    assert (await house.status(name)).status_code == 404
    assert (await house.client.get(url)).status_code == 404
    assert (await house.create()).json()["status"] == "queued"
    assert (await house.control("settings"))["vocabulary"] == "documented"


async def test_links_lead_to_the_public_address_where_one_is_given() -> None:
    clock = FakeClock()
    simulator = Simulator(Section(), clock, public_url="https://files.example.com/")
    client = httpx.AsyncClient(
        transport=httpx.ASGITransport(simulator.app), base_url="http://inside", headers=AUTH
    )
    async with client:
        house = House(simulator, clock, client)
        told = await house.made()
        url = told["result"]["data"][0]["url"]
        assert url.startswith("https://files.example.com/files/images/")
        kept = await house.uploaded(photo(64, 64))
        assert (await house.create(image_urls=[kept])).status_code == 200
    simulator.close()
    simulator.close()


async def test_without_a_seed_durations_differ_from_run_to_run() -> None:
    seconds = set()
    for _ in range(2):
        simulator = Simulator(Section(), FakeClock())
        transport = httpx.ASGITransport(simulator.app)
        async with httpx.AsyncClient(
            transport=transport, base_url="http://vendor.test", headers=AUTH
        ) as client:
            await client.post("/v1/images/generations", json=ORDER)
            told = (await client.get("/control/purchases")).json()
            seconds.add(told["tasks"][0]["seconds"])
        simulator.close()
    assert len(seconds) == 2


async def test_the_account_sees_its_models_and_its_money() -> None:
    async with opened(Settings(balance_usd=2)) as house:
        for kind, names in (
            ("", ["gpt-5-simulated"]),
            ("?type=image", ["gpt-image-1.5-official", "gpt-image-2-official"]),
            ("?type=all", ["gpt-5-simulated", "gpt-image-1.5-official", "gpt-image-2-official"]),
            ("?type=?", ["gpt-5-simulated"]),
        ):
            told = (await house.client.get(f"/v1/models{kind}")).json()
            assert [model["id"] for model in told["data"]] == names
        await house.create(quality="high")
        for path in ("/v1/balance", "/v1/user/balance"):
            assert (await house.client.get(path)).json() == {
                "success": True,
                "remain_balance": 1.865,
                "used_balance": 0.135,
                "remain_credits": 373.0,
                "used_credits": 27,
                "credits_per_usd": 200,
                "unlimited_quota": False,
            }
