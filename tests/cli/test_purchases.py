"""The simulator's list of purchases, and what is no such list."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from gateway.cli.findings import Answer
from gateway.cli.purchases import Purchase, purchases, unaccounted
from gateway.cli.reconciling import Tally
from gateway.cli.tasks_reconcile import Report, _ending
from gateway.state.reading import Reading
from tests.state.ledgers import Ledger


class FakeAsker:
    """Answers once, or raises."""

    def __init__(self, answer: Answer | Exception) -> None:
        self.answer = answer
        self.asked: list[tuple[str, Mapping[str, str]]] = []

    async def get(self, url: str, headers: Mapping[str, str], timeout: float) -> Answer:  # noqa: ASYNC109
        self.asked.append((url, headers))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    made = Ledger(tmp_path / "state.db")
    yield made
    made.close()


async def test_the_list_is_asked_for_without_the_key_and_read() -> None:
    line = {"id": "tsk_1", "client_business_id": "task_1", "state": "done", "n": 1}
    nameless = {"id": "tsk_2", "client_business_id": None, "state": "working"}
    body = json.dumps({"purchases": 2, "bought_twice": [], "tasks": [line, nameless, 7]})
    asker = FakeAsker(Answer(200, {}, body.encode()))
    assert await purchases("http://vendor", asker, 5) == (
        Purchase("tsk_1", "task_1", "done"),
        Purchase("tsk_2", None, "working"),
    )
    ((url, headers),) = asker.asked
    assert url == "http://vendor/control/purchases?tasks=1000000"
    assert "authorization" not in headers


@pytest.mark.parametrize(
    "answer",
    [
        Answer(404, {}, b'{"error": {}}'),
        Answer(200, {}, b"<html>a web shop</html>"),
        Answer(200, {}, b"[]"),
        Answer(200, {}, b'{"tasks": []}'),
        Answer(200, {}, b'{"bought_twice": [], "tasks": 3}'),
        ConnectionError("refused"),
        TimeoutError(),
    ],
)
async def test_what_is_not_the_simulator_has_no_list(answer: Answer | Exception) -> None:
    assert await purchases("http://vendor", FakeAsker(answer), 5) is None


def test_of_many_purchases_each_is_looked_for(ledger: Ledger) -> None:
    for _ in range(401):
        ledger.job("done", "done", "refused")
    known = [row[0] for row in ledger.connection.execute("SELECT task_id FROM tasks")]
    sold = [Purchase(f"tsk_{number}", name, "done") for number, name in enumerate(known)]
    assert list(unaccounted(tuple(sold), Reading(ledger.path))) == []
    sold += [Purchase("tsk_x", "task_x", "done"), Purchase("tsk_y", known[0], "done")]
    stranger, double = unaccounted(tuple(sold), Reading(ledger.path))
    assert (stranger.kind, stranger.task_id, stranger.job_id) == (
        *("unknown purchase", "task_x"),
        None,
    )
    assert (double.kind, double.task_id) == ("bought twice", known[0])
    assert double.message == "The vendor sold tsk_0 and tsk_y under this one id."


def test_a_vendor_that_does_not_look_up_our_ids_is_told_to_prove_nothing() -> None:
    report = Report(0.0, "http://vendor", Tally(compared=3), [], blind=3)
    first, last = _ending(report)
    assert first.startswith("The vendor knows 3 tasks by its own id and not by ours: ")
    assert last == "3 tasks compared, nothing differs"


def test_tasks_without_an_answer_are_told_by_reason_and_the_first_by_name() -> None:
    unasked = [(f"task_{number}", "502") for number in range(5)] + [("task_9", "timeout")]
    report = Report(0.0, "http://vendor", Tally(unasked=unasked), [])
    assert list(_ending(report)) == [
        "no answer  about 5 tasks: 502 (task_0, task_1, task_2, …)",
        "no answer  about 1 task: timeout (task_9)",
        "0 tasks compared, 6 tasks without an answer",
    ]
    assert not report.agree
