"""The loop never waits for the disk, readings never for commits, and commits are shared."""

import asyncio
import contextlib
import sqlite3
import threading
from dataclasses import replace

import pytest

from gateway import failpoints
from gateway.errors import LedgerUnavailable
from gateway.events import Dropped, JobDelivered, JobEnded, JobPromised, NotFound, State
from gateway.state.commit import Committer
from gateway.state.sqlite import SqliteStore
from gateway.state.writer import Writer
from gateway.state.writes import PRUNED_AT_ONCE
from tests.state.rows import PROMPT, Ledger, a_job, a_picture, created, sent, state_of, tell

Statements = list[tuple[int, str]]


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> Statements:
    """Every statement, and the thread it was run on."""
    run: Statements = []
    connect = sqlite3.connect

    def traced(*given: object, **named: object) -> sqlite3.Connection:
        run.append((threading.get_ident(), "connect"))
        connection: sqlite3.Connection = connect(*given, **named)  # type: ignore[call-overload]
        connection.set_trace_callback(lambda text: run.append((threading.get_ident(), text)))
        return connection

    monkeypatch.setattr("gateway.state.opening.sqlite3.connect", traced)
    return run


async def each_call(store: SqliteStore) -> None:
    await store.open()
    await store.add_job(a_job("j", "t"))
    await tell(store, sent("j", "t"), created("j", "t", "v"))
    await store.add_links("j", {"d": "l"})
    await store.fetched("p", 1.0)
    await store.remark(JobEnded(job_id="j", at=2.0))
    await store.reopen(a_job("j", "t"))
    await store.job("v")
    await store.ended("studio", b"")
    await store.keyed("studio", "k")
    await store.given("studio", b"", "k")
    await store.unfinished()
    await store.lost(0.0)
    await store.claimed()
    await store.figures()
    await store.unclaimed()
    await store.write_off(["j"])
    await store.prune(0.0)
    await store.close()


async def test_nothing_is_asked_of_the_disk_in_the_loop_s_thread(
    ledger: Ledger, statements: Statements
) -> None:
    await each_call(ledger.store())
    assert len(statements) > 50
    assert threading.get_ident() not in {thread for thread, _ in statements}
    writing = {thread for thread, text in statements if text.startswith("SAVEPOINT")}
    reading = {thread for thread, text in statements if "WHERE upstream_id = 'v'" in text}
    assert len(reading) == 1
    assert not writing & reading


async def test_the_loop_goes_on_while_a_commit_takes_its_time(store: SqliteStore) -> None:
    failpoints.arm("ledger.commit=sleep:0.1")
    writing = asyncio.create_task(store.add_job(a_job("j")))
    turns = 0
    while not writing.done():
        await asyncio.sleep(0)  # noqa: TID251 - one turn of the loop
        turns += 1
    assert turns > 100


async def test_readings_do_not_wait_behind_a_commit(store: SqliteStore) -> None:
    await store.add_job(a_job("j"))
    failpoints.arm("ledger.commit=sleep:0.2")
    writing = asyncio.create_task(store.add_job(a_job("k")))
    readings = 0
    while not writing.done():
        known = await store.unfinished()
        readings += 1
        assert len(known) in {1, 2}
    assert readings > 5
    assert len(await store.unfinished()) == 2


async def test_a_reading_is_of_one_moment(store: SqliteStore) -> None:
    """Jobs that are forgotten while they are read are read all the same."""
    names = [f"j{number}" for number in range(400)]
    await asyncio.gather(*(store.add_job(a_job(name)) for name in names))
    lost = (NotFound(job_id=name, task_id=f"task_of_{name}", at=1.0) for name in names)
    await asyncio.gather(*(store.record(event, State.LOST) for event in lost))
    await asyncio.gather(*(store.remark(JobEnded(job_id=name, at=2.0)) for name in names))
    pruning = asyncio.create_task(store.prune(3.0))
    left = {400}
    while not pruning.done():
        left.add(len(await store.lost(0.0)))
    assert await pruning == 400
    assert all(number % PRUNED_AT_ONCE == 0 for number in left)


async def test_what_waits_together_is_committed_together(
    ledger: Ledger, statements: Statements
) -> None:
    store = ledger.store()
    await store.open()
    await store.add_job(a_job("j"))
    statements.clear()
    failpoints.arm("ledger.commit=sleep:0.05")
    event = JobDelivered(job_id="j", at=1.0)
    await asyncio.gather(*(store.remark(event) for _ in range(600)))
    commits = [text for _, text in statements if text.startswith("COMMIT")]
    assert 3 <= len(commits) <= 5  # 256 at most in one
    await store.close()


async def test_an_entry_that_fails_does_so_alone(store: SqliteStore) -> None:
    failpoints.arm("ledger.commit=sleep:0.05")
    said = await asyncio.gather(
        store.add_job(a_job("a", idempotency_key="k")),
        store.add_job(a_job("b")),
        store.add_job(a_job("half", "new", "task_of_a")),
        store.remark(JobEnded(job_id="nobody", at=1.0)),
        store.add_links("a", {"d": "l"}),
        return_exceptions=True,
    )
    kinds = [type(None), type(None), sqlite3.IntegrityError, KeyError, type(None)]
    assert [type(one) for one in said] == kinds
    assert [job.job_id for job in await store.unfinished()] == ["a", "b"]
    assert store.trouble is None


@pytest.mark.parametrize(
    ("write", "synchronous"),
    [
        ("add_job", "NORMAL"),
        ("dropped", "NORMAL"),
        ("sent", "FULL"),
        ("created", "FULL"),
        ("ended", "NORMAL"),
        ("promised", "FULL"),
        ("reopen", "FULL"),
    ],
)
async def test_what_precedes_or_confirms_a_purchase_is_synced_and_counted(
    ledger: Ledger, statements: Statements, write: str, synchronous: str
) -> None:
    store = ledger.store()
    await store.open()
    await store.add_job(a_job("j", "t"))
    before = ledger.beside(".mark").read_text()
    # The other kind of commit comes first, so that the setting must change.
    if synchronous == "NORMAL":
        await store.record(sent("j", "t"), State.CREATING)
        before = ledger.beside(".mark").read_text()
    statements.clear()
    await {
        "add_job": lambda: store.add_job(a_job("k")),
        "dropped": lambda: store.record(
            Dropped(job_id="j", task_id="t", at=1.0, reason="r"), State.DROPPED
        ),
        "sent": lambda: store.record(sent("j", "t"), State.CREATING),
        "created": lambda: store.record(created("j", "t", "v"), State.RUNNING),
        "promised": lambda: store.remark(JobPromised(job_id="j", at=2.0)),
        "ended": lambda: store.remark(JobEnded(job_id="j", at=2.0)),
        "reopen": lambda: store.reopen(a_job("j", "t")),
    }[write]()
    texts = [text for _, text in statements]
    assert texts[0] == f"PRAGMA synchronous = {synchronous}"
    after = ledger.beside(".mark").read_text()
    assert int(after) - int(before) == (synchronous == "FULL")
    await store.close()


async def test_a_step_whose_asker_has_gone_is_not_written(store: SqliteStore) -> None:
    await store.add_job(a_job("a", "t"))
    failpoints.arm("ledger.commit=sleep:0.1")
    first = asyncio.create_task(store.add_job(a_job("b")))
    await asyncio.sleep(0.05)  # noqa: TID251 - the writer is in its commit by then
    step = asyncio.create_task(store.record(sent("a", "t"), State.CREATING))
    fact = asyncio.create_task(store.remark(JobDelivered(job_id="a", at=9.0)))
    await asyncio.sleep(0)  # noqa: TID251 - one turn of the loop
    step.cancel()
    fact.cancel()
    await first
    await store.add_job(a_job("c"))
    assert await state_of(store, "t") is State.INTENT
    job = await store.job("a")
    assert job is not None
    assert job.delivered_at == 9.0


async def test_a_fault_of_ours_is_told_and_the_thread_goes_on(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> list[object]:
        raise RuntimeError("a fault of ours")

    with monkeypatch.context() as patch:
        patch.setattr(Committer, "commit", broken)
        with pytest.raises(RuntimeError, match="a fault of ours"):
            await store.add_job(a_job("j"))
    await store.add_job(a_job("j"))


async def test_a_reading_that_fails_is_refused(store: SqliteStore) -> None:
    def torn(connection: sqlite3.Connection) -> None:
        connection.execute("SELECT * FROM nowhere")

    with pytest.raises(LedgerUnavailable) as refusal:
        await store._reading.ask(torn)
    assert refusal.value.code == "journal_unavailable"
    assert await store.unfinished() == ()


async def test_a_ledger_that_is_not_open_takes_and_tells_nothing(ledger: Ledger) -> None:
    store = ledger.store()
    assert store.trouble == "the ledger is not open"
    with pytest.raises(RuntimeError):
        assert store.secret
    await store.close()
    await store.open()
    assert repr(store) == f"SqliteStore({ledger.path}, well)"
    writer = store._writer
    assert isinstance(writer, Writer)
    await store.close()
    await store.close()
    for call in (store.add_job(a_job("j")), store.unfinished(), store.prune(0.0)):
        with pytest.raises(LedgerUnavailable):
            await call
    assert store.trouble == "the ledger is not open"
    assert store.durable


async def test_what_comes_while_it_closes_is_refused(store: SqliteStore) -> None:
    failpoints.arm("ledger.commit=sleep:0.1")
    first = asyncio.create_task(store.add_job(a_job("a")))
    await asyncio.sleep(0)  # noqa: TID251 - one turn of the loop
    writer = store._writer
    assert writer is not None
    closing = asyncio.create_task(writer.close())
    await asyncio.sleep(0)  # noqa: TID251 - the same
    with pytest.raises(LedgerUnavailable):
        await store.add_job(a_job("b"))
    await first
    await closing


async def test_an_old_picture_is_no_longer_told_as_claimed(
    ledger: Ledger, store: SqliteStore
) -> None:
    await store.add_job(a_job("j", "t"))
    ledger.clock.now = 0.0
    ledger.clock._epoch = 4e9 - 10.0
    kept = Dropped(job_id="j", task_id="t", at=1.0, reason="r")
    await store.record(kept, State.DONE, [a_picture("p", "t")])
    await store.fetched("p", 2.0)
    assert await store.claimed() == {"p"}
    ledger.clock.now = 10.0
    assert await store.claimed() == frozenset()


async def test_prompts_of_jobs_that_ended_leave_the_file_unless_they_are_kept(
    ledger: Ledger,
) -> None:
    for section in (ledger.section(keep_prompts=True), ledger.section()):
        store = ledger.store(section)
        await store.open()
        name = f"kept_{section.keep_prompts}"
        row = a_job(name)
        (task,) = row.plan.tasks
        task = replace(task, prompt="long, " * 10_000 + PROMPT)
        await store.add_job(replace(row, plan=replace(row.plan, tasks=(task,))))
        await store.remark(JobEnded(job_id=name, at=2.0))
        job = await store.job(name)
        assert job is not None
        assert job.plan.tasks[0].prompt == (task.prompt if section.keep_prompts else "")
        await store.close()
        assert ledger.path.read_bytes().count(PROMPT.encode()) == 1


async def test_old_jobs_are_forgotten_a_few_at_a_time(
    ledger: Ledger, statements: Statements
) -> None:
    store = ledger.store()
    await store.open()
    await asyncio.gather(*(store.add_job(a_job(f"j{number}")) for number in range(120)))
    ended = (JobEnded(job_id=f"j{number}", at=2.0) for number in range(120))
    await asyncio.gather(*map(store.remark, ended))
    statements.clear()
    assert await store.prune(3.0) == 120
    assert sum(text.startswith("SAVEPOINT") for _, text in statements) == 3
    await store.close()
    with contextlib.closing(sqlite3.connect(ledger.path)) as stranger:
        for table in ("jobs", "tasks", "story", "pictures"):
            assert stranger.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)  # noqa: S608 - our own names


def left_open(loop: asyncio.AbstractEventLoop, store: SqliteStore) -> None:
    async def leave() -> None:
        await store.open()
        failpoints.arm("ledger.commit=sleep:0.1")
        asyncio.ensure_future(store.add_job(a_job("j"))).cancel()
        await asyncio.sleep(0)  # noqa: TID251 - one turn of the loop

    loop.run_until_complete(leave())
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()


def test_a_loop_that_is_gone_does_not_trouble_the_thread(ledger: Ledger) -> None:
    store = ledger.store()
    left_open(asyncio.new_event_loop(), store)
    writer = store._writer
    assert writer is not None
    writer._emit("to nobody")
    writer._queue.put(None)
    writer._thread.join(10)
    assert not writer._thread.is_alive()
    assert store._reader is not None
    store._reader._thread.submit(store._reader._connection.close).result()
    store._reader._thread.shutdown()
