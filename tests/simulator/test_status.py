import pytest

from gateway.simulator.settings import RESULTS, VOCABULARIES, Settings
from tests.simulator.house import FakeClock, House
from tests.simulator.house import house as opened


async def test_a_task_waits_works_and_is_done(house: House) -> None:
    name = (await house.create(quality="high")).json()["id"]
    seen: list[tuple[str, int]] = []
    for _ in range(400):
        told = (await house.status(name)).json()
        if not seen or seen[-1] != (told["status"], told["progress"]):
            seen.append((told["status"], told["progress"]))
        if told["status"] == "completed":
            break
        house.clock.now += 0.5
    words = [word for word, _ in seen]
    assert words == sorted(words, key=["queued", "in_progress", "completed"].index)
    assert {*words} == {"queued", "in_progress", "completed"}
    percents = [percent for _, percent in seen]
    assert percents == sorted(percents)
    assert percents[0] == 0
    assert percents[-1] == 100
    assert len(percents) > 5


async def test_a_finished_task_tells_links_money_and_expiry(house: House) -> None:
    told = await house.made(n=2, quality="medium", client_business_id="gw-1")
    assert told["status"] == "completed"
    assert told["client_business_id"] == "gw-1"
    assert told["expires_at"] == told["completed_at"] + 86_400
    assert told["billing"] == {"status": "settled", "credits": "18", "cost_usd": "0.09"}
    assert told["result"]["type"] == "image"
    links = [item["url"] for item in told["result"]["data"]]
    assert len({*links}) == 2
    assert all(link.startswith(f"http://vendor.test/files/images/{told['id']}/") for link in links)


async def test_a_task_is_found_by_the_callers_own_id(house: House) -> None:
    name = (await house.create(client_business_id="gw-1")).json()["id"]
    assert (await house.status("gw-1")).json()["id"] == name


async def test_an_unknown_task_is_not_found(house: House) -> None:
    answer = await house.status("tsk_img_nothing")
    assert answer.status_code == 404
    assert answer.json()["error"]["type"] == "not_found_error"
    assert answer.json()["error"]["code"] == 404


@pytest.mark.parametrize("vocabulary", VOCABULARIES)
async def test_each_vocabulary_is_spoken_throughout(vocabulary: str) -> None:
    waiting, working, done, _ = VOCABULARIES[vocabulary]
    async with opened(Settings(vocabulary=vocabulary)) as house:
        created = (await house.create(quality="high")).json()
        assert created["status"] == waiting
        (task,) = (await house.control("purchases"))["tasks"]
        house.clock.now += task["seconds"] / 2
        assert (await house.status(created["id"])).json()["status"] == working
        house.clock.now += task["seconds"]
        assert (await house.status(created["id"])).json()["status"] == done


@pytest.mark.parametrize("result", RESULTS)
async def test_each_result_shape_leads_to_a_picture(result: str) -> None:
    async with opened(Settings(result=result)) as house:
        told = await house.made()
        text = str(told)
        if result.endswith("base64"):
            assert "iVBORw0KGgo" in text
            return
        start = text.index("http://vendor.test/files/")
        link = text[start : text.index(".png", start) + 4]
        assert (await house.picture(link)).size == (1024, 1024)


async def test_base64_of_a_dropped_file_is_empty() -> None:
    async with opened(Settings(result="data_base64")) as house:
        told = await house.made()
        house.simulator.vendor.files.clear()
        again = (await house.status(told["id"])).json()
        assert again["result"]["data"] == [{"b64_json": ""}]


async def test_progress_may_be_a_text_and_billing_absent() -> None:
    async with opened(Settings(progress="percent", billing=False)) as house:
        told = await house.made()
        assert told["progress"] == "100%"
        assert "billing" not in told


async def test_speed_divides_durations() -> None:
    async with opened(speed=1) as slow, opened(speed=100) as fast:
        seconds = []
        for house in (slow, fast):
            await house.create()
            (task,) = (await house.control("purchases"))["tasks"]
            seconds.append(task["seconds"])
        assert seconds[0] == pytest.approx(100 * seconds[1], rel=0.05)


async def test_equal_seeds_give_equal_durations() -> None:
    runs = []
    for _ in range(2):
        async with opened() as house:
            for _ in range(5):
                await house.create()
            runs.append([task["seconds"] for task in (await house.control("purchases"))["tasks"]])
    assert runs[0] == runs[1]
    assert len({*runs[0]}) == 5


async def test_links_end_after_their_lifetime() -> None:
    async with opened(Settings(link_lifetime=100)) as house:
        told = await house.made()
        (item,) = told["result"]["data"]
        assert (await house.client.get(item["url"])).status_code == 200
        house.clock.now += 101
        assert (await house.client.get(item["url"])).status_code == 404


async def test_a_long_queue_of_drawings_is_told_as_nearly_done(house: House) -> None:
    name = (await house.create()).json()["id"]
    house.clock.now += 1000
    task = house.simulator.vendor.book.find(name)
    assert task is not None
    house.simulator.vendor.studio.waiting += 100
    told = (await house.status(name)).json()
    assert (told["status"], told["progress"]) == ("in_progress", 99)
    house.simulator.vendor.studio.waiting -= 100
    assert (await house.status(name)).json()["status"] == "completed"


@pytest.mark.parametrize("creation", ["terminal", "terminal_openai"])
async def test_a_create_may_be_over_at_once(creation: str) -> None:
    async with opened(Settings(creation=creation)) as house:
        told = (await house.create(n=2)).json()
        data = told["data"] if creation == "terminal_openai" else told["result"]["data"]
        assert len(data) == 2
        assert (await house.picture(data[1]["url"])).size == (1024, 1024)


def test_a_sleeping_fake_clock_moves() -> None:
    clock = FakeClock()
    assert clock.wall() - clock.monotonic() == 1_790_000_000 - 1000
