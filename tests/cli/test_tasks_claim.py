"""``tasks claim``: a job's pictures, taken out by hand and marked as taken."""

import asyncio
import contextlib
import fcntl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from gateway.cli.pictures import Occupied, copy, kept
from gateway.clock import SystemClock
from gateway.config.sections import Images, ServerBounds
from gateway.ops.bearer import OperatorsToken
from gateway.ops.health import operators_app
from gateway.server.listener import Listener
from gateway.state.reading import Reading
from tests.cli.looks import TOKEN, Looks
from tests.cli.processes import gateway


class Operators(BaseHTTPRequestHandler):
    """The operators' listener of a running gateway; ``status`` is what it answers."""

    status: ClassVar[int] = 204
    asked: ClassVar[list[tuple[str, str | None, str | None, str | None]]] = []

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        shown = self.headers["authorization"]
        self.asked.append((self.path, shown, self.headers["content-type"], self.headers["origin"]))
        self.send_response(self.status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@contextlib.contextmanager
def held(looks: Looks) -> Iterator[None]:
    """The ledger is held by a gateway that runs."""
    with Path(f"{looks.ledger.path}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def running(looks: Looks, status: int | None = 204, host: str = "127.0.0.1") -> Iterator[None]:
    """The ledger is a gateway's, whose operators' listener answers with a status, or not at all."""
    server = HTTPServer(("127.0.0.1", 0), Operators)
    Operators.status = status or 0
    Operators.asked.clear()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    port = server.server_port
    looks.configure(ops=f"{{host: '{host}', port: {port}, token: {TOKEN}}}")
    if status is None:
        server.server_close()
    else:
        thread.start()
    with held(looks):
        yield
    if status is not None:
        server.shutdown()
        thread.join()
        server.server_close()


def a_job(looks: Looks, **row: Any) -> str:
    """A job with two pictures that nobody has had."""
    job = looks.ledger.job("done", **row)
    looks.shelve(job, "a" * 32, b"first")
    looks.shelve(job, "b" * 32, b"second", place=1, format="jpeg")
    return job


def marked(looks: Looks, job: str) -> bool:
    read = Reading(looks.ledger.path).job(job)
    assert read is not None
    told = [event.name for event in Reading(looks.ledger.path).story(job)]
    assert (read.delivered_at is not None) is ("job_claimed" in told)
    return read.delivered_at is not None


def test_pictures_are_copied_under_readable_names_and_the_job_is_marked(looks: Looks) -> None:
    job = a_job(looks)
    to = looks.folder / "new" / "folder"
    result = looks.tasks("claim", looks.ledger.tasks(job)[0], "--to", str(to))
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines() == [
        str(to / f"{job}-1.png"),
        str(to / f"{job}-2.jpg"),
        f"{job} is marked as claimed",
    ]
    assert (to / f"{job}-1.png").read_bytes() == b"first"
    assert (to / f"{job}-2.jpg").read_bytes() == b"second"
    assert marked(looks, job)
    assert "delivered" in looks.tasks("list").stdout


def test_without_a_folder_the_current_one_is_taken(
    looks: Looks, monkeypatch: pytest.MonkeyPatch
) -> None:
    (looks.folder / "here").mkdir()
    monkeypatch.chdir(looks.folder / "here")
    job = a_job(looks)
    assert looks.tasks("claim", job).exit_code == 0
    assert sorted(path.name for path in Path().iterdir()) == [f"{job}-1.png", f"{job}-2.jpg"]


def test_a_claim_can_be_repeated(looks: Looks) -> None:
    job = a_job(looks)
    for _ in range(2):
        assert looks.tasks("claim", job, "--to", str(looks.folder)).exit_code == 0


def test_no_file_is_written_over_and_then_the_job_is_not_marked(looks: Looks) -> None:
    job = a_job(looks)
    (looks.folder / f"{job}-1.png").write_bytes(b"mine!")
    result = looks.tasks("claim", job, "--to", str(looks.folder))
    assert result.exit_code == 1
    occupied, why = result.stderr.splitlines()
    assert occupied.startswith("picture 1: ")
    assert occupied.endswith("-1.png is another file already")
    assert why == "Not every picture is copied, so the job is not marked as claimed."
    assert (looks.folder / f"{job}-1.png").read_bytes() == b"mine!"
    assert (looks.folder / f"{job}-2.jpg").read_bytes() == b"second"
    assert not marked(looks, job)


def test_a_picture_that_is_gone_is_told_and_the_rest_is_claimed(looks: Looks) -> None:
    job = a_job(looks)
    gone = looks.shelf / f"{'a' * 32}.png"
    gone.unlink()
    result = looks.tasks("claim", job, "--to", str(looks.folder))
    assert result.exit_code == 1
    assert result.stderr == f"picture 1 is no longer on the shelf: {gone}\n"
    assert (looks.folder / f"{job}-2.jpg").exists()
    assert marked(looks, job)


def test_where_all_are_gone_nothing_is_marked(looks: Looks) -> None:
    job = a_job(looks)
    for path in looks.shelf.iterdir():
        path.unlink()
    result = looks.tasks("claim", job, "--to", str(looks.folder))
    assert result.exit_code == 1
    assert result.stderr.endswith(
        "There is nothing to copy, so the job is not marked as claimed.\n"
    )
    assert not marked(looks, job)


def test_a_folder_that_cannot_be_written_to_is_told(looks: Looks) -> None:
    job = a_job(looks)
    (looks.folder / "file").write_text("x")
    result = looks.tasks("claim", job, "--to", str(looks.folder / "file" / "below"))
    assert result.exit_code == 1
    assert "picture 1 cannot be copied: [Errno 20] Not a directory" in result.stderr
    assert not marked(looks, job)


def test_a_copy_that_fails_half_way_leaves_nothing(
    looks: Looks, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("gateway.cli.pictures.os.fsync", full)
    job = a_job(looks)
    result = looks.tasks("claim", job, "--to", str(looks.folder / "to"))
    assert "No space left" in result.stderr
    assert list((looks.folder / "to").iterdir()) == []
    assert not marked(looks, job)


def test_a_running_jobs_pictures_are_copied_but_not_marked(looks: Looks) -> None:
    job = looks.ledger.job("done", "running")
    looks.shelve(job, "a" * 32, b"first")
    result = looks.tasks("claim", job, "--to", str(looks.folder))
    assert result.exit_code == 1
    assert result.stderr == f"{job} is still running, so it is not marked as claimed yet.\n"
    assert (looks.folder / f"{job}-1.png").exists()
    assert not marked(looks, job)


def test_a_job_without_pictures_is_said_to_have_none(looks: Looks) -> None:
    job = looks.ledger.job("refused", failure={})
    result = looks.tasks("claim", job)
    assert (result.exit_code, result.stderr) == (1, f"{job} is failed and has no pictures.\n")


def test_a_running_gateway_is_asked_to_write_the_mark_itself(looks: Looks) -> None:
    job = a_job(looks)
    with running(looks, host="0.0.0.0"):
        result = looks.tasks("claim", job, "--to", str(looks.folder))
    assert (result.exit_code, result.stderr) == (0, "")
    assert Operators.asked == [(f"/tasks/{job}/claim", f"Bearer {TOKEN}", "application/json", None)]
    assert not marked(looks, job)  # it is the gateway that writes


async def test_the_operators_listener_takes_what_is_sent(looks: Looks) -> None:
    claimed: list[str] = []

    async def claim(job_id: str) -> bool:
        claimed.append(job_id)
        return True

    clock = SystemClock()
    token = OperatorsToken(TOKEN, clock, lambda _: None)
    app = operators_app({}, token=token, claim=claim)
    listener = Listener(app, host="127.0.0.1", port=0, bounds=ServerBounds(), clock=clock)
    await listener.start()
    looks.configure(ops=f"{{port: {listener.port}, token: {TOKEN}}}")
    job = a_job(looks)
    with held(looks):
        done = await asyncio.to_thread(
            gateway, looks.folder, "tasks", "claim", job, "--config", "config.yaml"
        )
    await listener.stop(0)
    assert (done.returncode, done.stderr) == (0, "")
    assert claimed == [job]
    assert (looks.folder / f"{job}-1.png").read_bytes() == b"first"


@pytest.mark.parametrize(
    ("status", "why"),
    [
        (401, "it does not accept this configuration's ops.token"),
        (429, "it does not accept this configuration's ops.token"),
        (404, "the job is not known: is it another gateway's port?"),
        (500, "it answers 500"),
        (999, "it answers 999"),
        (None, "nobody answers at http://127.0.0.1:"),
    ],
)
def test_a_gateway_that_does_not_write_the_mark_is_told(
    looks: Looks, status: int | None, why: str
) -> None:
    job = a_job(looks)
    with running(looks, status):
        result = looks.tasks("claim", job, "--to", str(looks.folder))
    assert result.exit_code == 1
    assert why in result.stderr
    begin = "The pictures are copied, but the job is not marked as claimed: a gateway holds"
    assert result.stderr.startswith(begin)
    assert (looks.folder / f"{job}-1.png").exists()


def test_a_gateway_whose_port_is_not_known_is_not_asked(looks: Looks) -> None:
    job = a_job(looks)
    with running(looks):
        looks.configure(ops="{port: 0}")
        result = looks.tasks("claim", job, "--to", str(looks.folder))
    assert result.exit_code == 1
    assert "to be found, its ops.port must be a number" in result.stderr
    assert Operators.asked == []


def test_a_job_that_is_forgotten_meanwhile_is_told(
    looks: Looks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.cli.tasks_claim.mark_claimed", lambda *_: False)
    result = looks.tasks("claim", a_job(looks), "--to", str(looks.folder))
    assert result.exit_code == 1
    assert "it has been forgotten meanwhile" in result.stderr


def test_a_folder_of_the_copys_name_is_not_taken_for_a_copy(looks: Looks) -> None:
    job = Reading(looks.ledger.path).job(a_job(looks))
    assert job is not None
    one, _ = kept(job, Images(folder=str(looks.shelf)))
    (looks.folder / one.name).mkdir()
    with pytest.raises(Occupied):
        copy(one, looks.folder)
