"""``tasks reconcile`` against the simulated vendor, with differences of every kind."""

import asyncio
import contextlib
import json
import re
import sqlite3
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import httpx
import pytest
from click.testing import Result

from gateway.clock import SystemClock
from gateway.config.sections import ServerBounds
from gateway.config.simulated import Simulator as Section
from gateway.server.listener import Listener
from gateway.simulator.app import Simulator
from gateway.simulator.faults import read_faults
from gateway.simulator.settings import Settings
from tests.cli.looks import VENDOR_KEY, Looks
from tests.cli.processes import gateway

COST = "0.01"  # of a picture at 1k and low quality


class Vendor:
    """The simulated vendor, and what is bought of it by hand."""

    def __init__(self, simulator: Simulator, url: str) -> None:
        self.simulator = simulator
        self.url = url

    def is_troubled(self, *faults: Mapping[str, object]) -> None:
        self.simulator.vendor.set_faults(read_faults([dict(fault) for fault in faults]))

    async def sell(self, task: str | None, fate: str | None = None, prompt: str = "fog") -> str:
        """A purchase under one of our ids; its id at the vendor."""
        if fate is not None:
            self.is_troubled({"where": "create", "kind": fate})
        body = {
            "model": "gpt-image-2-official",
            "prompt": prompt,
            "quality": "low",
            "client_business_id": task,
        }
        async with httpx.AsyncClient(headers={"authorization": f"Bearer {VENDOR_KEY}"}) as client:
            answer = await client.post(f"{self.url}/v1/images/generations", json=body)
            upstream_id = str(answer.raise_for_status().json()["id"])
            over = fate == "stuck"
            while not over:  # until it has ended
                status = await client.get(f"{self.url}/v1/images/generations/{upstream_id}")
                over = status.json()["status"] in {"completed", "failed"}
        return upstream_id


@pytest.fixture
async def vendor() -> AsyncIterator[Vendor]:
    clock = SystemClock()
    settings = Settings(submit_per_second=1e5, query_per_second=1e5, query_burst=100_000)
    section = Section.model_validate({"speed": 10_000, "seed": 3, "api_key": VENDOR_KEY})
    simulator = Simulator(section, clock, settings=settings)
    listener = Listener(simulator.app, host="127.0.0.1", port=0, bounds=ServerBounds(), clock=clock)
    await listener.start()
    yield Vendor(simulator, listener.url)
    await listener.stop(0)
    simulator.close()


@pytest.fixture
def books(looks: Looks, vendor: Vendor, monkeypatch: pytest.MonkeyPatch) -> "Books":
    monkeypatch.setattr("gateway.cli.enquiring._PAUSE", 0.01)
    return Books(looks, vendor)


class Books:
    """A ledger and a vendor that may differ."""

    def __init__(self, looks: Looks, vendor: Vendor) -> None:
        self.looks = looks
        self.vendor = vendor
        looks.configure(
            upstream=f"{{base_url: '{vendor.url}', api_key: {VENDOR_KEY}, query_per_second: 5000, "
            "polling: {scale: 0.001}}"
        )

    async def plant(
        self, state: str, fate: str | None = None, *, sold: bool = True, **row: object
    ) -> str:
        """A job of one task in a state, and the same task at the vendor, ended by a fate."""
        ledger = self.looks.ledger
        over = state not in {"intent", "creating", "uncertain", "running", "collecting"}
        job = ledger.job(ended_at=ledger.now + 70 if over else None)
        task = ledger.task(job, "intent")
        own = await self.vendor.sell(task, fate) if sold else f"tsk_img_{task[-8:]}"
        accepted = state in {"running", "collecting", "done", "failed"}
        values = {
            "state": state,
            "upstream_id": own if accepted else None,
            "cost_usd": COST if state == "done" else None,
            **row,
        }
        changes = ", ".join(f"{name} = ?" for name in values)
        ledger.connection.execute(
            f"UPDATE tasks SET {changes} WHERE task_id = ?",  # noqa: S608 - names of columns
            (*values.values(), task),
        )
        return task

    async def reconcile(self, *arguments: str) -> Result:
        return await asyncio.to_thread(self.looks.tasks, "reconcile", *arguments)

    async def told(self) -> str:
        """The report, each of its paragraphs on one line."""
        return re.sub(r"\n {9}", " ", (await self.reconcile()).stdout)

    async def kinds(self) -> list[tuple[str, str, bool]]:
        """The differences in short: kind, task (or none) and whether it is serious."""
        result = await self.reconcile("--json")
        told = json.loads(result.stdout)
        assert result.exit_code == (0 if told["agree"] else 1)
        assert told["agree"] is not bool(told["differences"] or told["unasked"])
        return [(one["kind"], one["task_id"] or "", one["serious"]) for one in told["differences"]]


async def test_nothing_differs_where_both_say_the_same(books: Books) -> None:
    await books.plant("done")
    await books.plant("failed", "failed")
    await books.plant("running", "stuck")
    await books.plant("collecting")
    for state in ("intent", "creating", "uncertain", "lost", "refused", "dropped"):
        await books.plant(state, sold=False)
    result = await books.reconcile()
    assert (result.exit_code, result.stderr) == (0, "")
    first, _, *last = result.stdout.splitlines()
    since = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC"
    assert re.fullmatch(
        rf"10 tasks since {since}, compared with {books.vendor.url}; this takes 0.0 s or more",
        first,
    )
    assert last == [
        "The vendor is the simulator and sold 4 tasks in all.",
        "10 tasks compared, nothing differs",
    ]


PLANTED: dict[str, dict[str, list[str | None]]] = {
    "unrecorded": {key: ["stuck", "failed", None] for key in ("intent", "refused", "dropped")},
    "found": {key: ["stuck", "failed", None] for key in ("creating", "uncertain", "lost")},
    "unnoticed": {"running": ["failed", None]},
    "contrary": {"collecting": ["stuck", "failed"], "done": ["stuck", "failed"]},
    "given up": {"failed": ["stuck", None]},
}


async def test_differences_of_every_kind_are_found(books: Books) -> None:
    expected = []
    for kind, states in PLANTED.items():
        for state, fates in states.items():
            for fate in fates:
                task = await books.plant(state, fate, cost_usd=None)
                expected.append((kind, task, kind == "unrecorded"))
    gone = [await books.plant(state, sold=False) for state in ("running", "collecting", "done")]
    expected += [("gone", task, False) for task in gone]
    assert sorted(await books.kinds()) == sorted(expected)


async def test_a_picture_that_could_not_be_fetched_is_known_to_both(books: Books) -> None:
    task = await books.plant("failed")
    job = books.looks.ledger.value("SELECT job_id FROM jobs")
    books.looks.ledger.told(job, 60, "succeeded", task, images=1)
    assert await books.kinds() == []


async def test_what_the_vendor_may_have_forgotten_is_only_counted(books: Books) -> None:
    books.looks.ledger.now -= 2 * 86_400
    await books.plant("done", sold=False)
    await books.plant("failed", sold=False)
    result = await books.reconcile()
    assert result.exit_code == 0
    assert "1 task ended long ago and forgotten by the vendor." in result.stdout


async def test_costs_that_differ_are_told(books: Books) -> None:
    task = await books.plant("done", cost_usd="0.02")
    await books.plant("done", cost_usd="0.010")
    await books.plant("done", cost_usd=None)
    await books.plant("done", cost_usd="a lot")
    assert await books.kinds() == [("cost", task, False)]
    told = await books.told()
    assert "The ledger has a cost of $0.02, the vendor says $0.01." in told


async def test_two_tasks_under_one_id_are_told_once(books: Books) -> None:
    task = await books.plant("done")
    await books.vendor.sell(task)
    assert await books.kinds() == [("bought twice", task, True)]


async def test_a_first_purchase_beside_the_ledgers_own_is_told(books: Books) -> None:
    task = await books.plant("done")
    second = await books.vendor.sell(task)
    books.looks.ledger.connection.execute("UPDATE tasks SET upstream_id = ?", (second,))
    assert await books.kinds() == [("bought twice", task, True)]
    assert "under this one id" in await books.told()


async def test_another_task_than_the_ledgers_is_told(books: Books) -> None:
    task = await books.plant("done", upstream_id="tsk_img_{other}")
    assert await books.kinds() == [("exchanged", task, True)]
    assert "The ledger has tsk_img_{other}, which" in await books.told()


async def test_a_purchase_that_the_ledger_knows_nothing_of_is_serious(books: Books) -> None:
    await books.plant("done")
    mine = await books.vendor.sell("task_of_nobody")
    nameless = await books.vendor.sell(None)
    assert await books.kinds() == [
        ("unknown purchase", "task_of_nobody", True),
        ("unknown purchase", "", True),
    ]
    told = await books.told()
    assert f"The vendor sold {mine} under task_of_nobody; the ledger has no such task." in told
    assert f"The vendor sold {nameless} without an id of ours; the ledger has no" in told


async def test_a_lost_task_that_was_replaced_is_not_said_to_be_taken_up(books: Books) -> None:
    await books.plant("lost", replaced=1)
    told = await books.told()
    assert "so no gateway takes it up" in told


async def test_a_difference_is_told_with_what_to_do(books: Books) -> None:
    task = await books.plant("lost", "stuck")
    job = books.looks.ledger.value("SELECT job_id FROM jobs")
    told = await books.told()
    sold = books.vendor.simulator.vendor.book.find(task)
    assert sold is not None
    assert told.partition("\n\n")[2] == (
        f"differs  {task}  {job} "
        f"The ledger holds it for lost, but the vendor has it as {sold.id}: it is bought, and "
        "under way (queued). Start the gateway again, or wait for its next look at what is lost: "
        f"it takes the task up, and `tasks show {task}` and `tasks claim {task}` then have it.\n\n"
        "The vendor is the simulator and sold 1 task in all.\n"
        "1 task compared, 1 difference\n"
    )


async def test_serious_differences_stand_out(books: Books) -> None:
    await books.plant("refused")
    await books.plant("lost")
    told = await books.told()
    assert "\nSERIOUS  task_" in told
    assert told.endswith("2 tasks compared, 1 SERIOUS DIFFERENCE, 1 difference\n")


async def test_a_vendor_that_gives_no_answer_about_a_task_is_no_difference(books: Books) -> None:
    await books.plant("done")
    books.vendor.is_troubled({"where": "status", "kind": "bad_gateway", "times": None})
    result = await books.reconcile()
    assert result.exit_code == 1
    task = books.looks.ledger.value("SELECT task_id FROM tasks")
    assert f"no answer  about 1 task: 502 ({task})\n" in result.stdout
    assert result.stdout.endswith("0 tasks compared, 1 task without an answer\n")


async def test_a_vendor_that_puts_off_or_stumbles_is_asked_again(books: Books) -> None:
    await books.plant("lost")
    books.vendor.is_troubled(
        {"where": "status", "kind": "throttled_silently", "times": 3},
        {"where": "status", "kind": "bad_gateway", "after": 3},
    )
    assert [kind for kind, _, _ in await books.kinds()] == ["found"]


async def test_a_vendor_that_answers_nothing_is_not_asked_for_ever(books: Books) -> None:
    for _ in range(30):
        await books.plant("refused", sold=False)
    books.vendor.is_troubled({"where": "status", "kind": "unauthorized", "times": None})
    calls = books.vendor.simulator.vendor.calls
    before = calls["status"]
    told = json.loads((await books.reconcile("--json")).stdout)
    assert len(told["unasked"]) == 30
    assert calls["status"] - before < 40
    reasons = {one["reason"] for one in told["unasked"]}
    assert reasons == {"401 unauthorized", "not asked, for the vendor answered nothing before"}


async def test_a_vendor_that_is_down_is_reported_as_such(books: Books, looks: Looks) -> None:
    await books.plant("done")
    looks.configure(upstream=f"{{base_url: 'http://127.0.0.1:9', api_key: {VENDOR_KEY}}}")
    result = await books.reconcile()
    assert result.exit_code == 1
    assert "simulator" not in result.stdout
    assert result.stdout.endswith("0 tasks compared, 1 task without an answer\n")


async def test_only_the_window_is_compared_and_what_is_unfinished(books: Books) -> None:
    books.looks.ledger.now -= 86_400
    await books.plant("lost")
    running = await books.plant("running")
    told = json.loads((await books.reconcile("--json", "--since", "5h")).stdout)
    assert told["compared"] == 1
    assert [one["task_id"] for one in told["differences"]] == [running]


@pytest.mark.parametrize("window", ["soon", "-1d", ""])
async def test_a_window_that_is_no_time_is_a_wrong_call(books: Books, window: str) -> None:
    result = await books.reconcile("--since", window)
    assert result.exit_code == 2
    assert "must be a number with a unit, such as 24h or 90s" in result.stderr


async def test_nothing_is_bought_or_changed_by_a_comparison(books: Books) -> None:
    await books.plant("lost")
    await books.plant("running")
    before = books.looks.ledger.path.read_bytes()
    calls = dict(books.vendor.simulator.vendor.calls)
    await books.kinds()
    assert books.looks.ledger.path.read_bytes() == before
    after = books.vendor.simulator.vendor.calls
    assert [name for name in calls if calls[name] != after[name]] == ["status"]


async def test_what_a_running_gateway_notices_meanwhile_is_no_difference(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = books.looks.ledger.path
    slept: list[float] = []

    class Noticing(SystemClock):
        async def sleep(self, seconds: float) -> None:
            if seconds == 15 * 0.001:
                slept.append(seconds)
                notice()

    def notice() -> None:
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as ledger:
            ledger.execute("UPDATE tasks SET state = 'done' WHERE state = 'running'")

    await books.plant("running")
    monkeypatch.setattr("gateway.cli.tasks_reconcile.SystemClock", Noticing)
    monkeypatch.setattr("gateway.cli.tasks_reconcile.held", lambda _: True)
    result = await books.reconcile()
    assert (result.exit_code, slept) == (0, [0.015])
    assert "1 task moved on meanwhile, and then agreed." in result.stdout


async def test_a_process_of_its_own_says_the_same(books: Books, tmp_path: Path) -> None:
    task = await books.plant("refused")
    done = await asyncio.to_thread(
        gateway, tmp_path, "tasks", "reconcile", "--config", "config.yaml"
    )
    assert (done.returncode, done.stderr) == (1, "")
    assert f"SERIOUS  {task}" in done.stdout
    assert VENDOR_KEY not in done.stdout


async def test_an_empty_ledger_agrees_with_a_vendor_that_sold_nothing(books: Books) -> None:
    result = await books.reconcile()
    assert result.exit_code == 0
    assert result.stdout.endswith("0 tasks compared, nothing differs\n")
