"""The search for planted secrets finds what there is to be found, and then the run fails."""

import base64
import gzip
import re
import subprocess
import sys
import tempfile
import urllib.parse
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from gateway.facts import RequestEnded
from tests.canaries import MARK, PLANTED, PROMPT, search
from tests.outputs import Outputs
from tests.repo.source import ROOT

RUN = """
from tests.outputs import OUTPUTS
from tests.canaries import MARK

def test_something():
    OUTPUTS.keep("answers", WHAT)
"""


@pytest.fixture
def elsewhere() -> Iterator[Path]:
    """A folder that this very run does not search."""
    with tempfile.TemporaryDirectory(prefix="elsewhere-") as folder:
        yield Path(folder)


def found(folder: Path, data: bytes) -> list[str]:
    path = folder / "said.txt"
    path.write_bytes(data)
    _, hits = search([path])
    return [hit.form for hit in hits]


def test_every_planted_word_bears_the_mark() -> None:
    assert len(set(PLANTED.values())) == 9
    assert all(MARK in word for word in PLANTED.values())


@pytest.mark.parametrize("name", PLANTED)
@pytest.mark.parametrize("before", ["", "a", "ab", "abc"])
def test_a_word_is_found_as_it_is_and_encoded(tmp_path: Path, name: str, before: str) -> None:
    word = f"{before}{PLANTED[name]}".encode()
    noise = b"x" * 1000 + b"\n\0\xff"
    assert found(tmp_path, noise + word + noise) == ["as it is"]
    assert found(tmp_path, noise + urllib.parse.quote(word).encode()) == ["as it is"]
    (form,) = found(tmp_path, noise + base64.b64encode(word) + noise)
    assert form.startswith("in base64")
    assert found(tmp_path, word.hex().encode()) == ["in hex"]
    assert found(tmp_path, word[::-1]) == ["backwards"]


def test_nothing_is_found_where_nothing_is(tmp_path: Path) -> None:
    assert found(tmp_path, b"") == []
    assert found(tmp_path, b"zqcanary without the rest, 4e7b alone" * 1000) == []


async def test_what_is_kept_is_searched_whatever_it_is(elsewhere: Path) -> None:
    outputs, children = Outputs(), elsewhere / "children"
    children.mkdir()
    outputs.open(elsewhere / "outputs")
    outputs.look_below(children)
    (children / "gateway-001.log").write_text(f"1 {MARK}")
    (children / "state.db").write_text(f"{MARK}: kept on purpose, and no output")
    outputs.keep("commands", f"2 {MARK}")
    outputs.emit(RequestEnded(f"3 {MARK}", "GET", 200, 0.1, 0))
    outputs.emit(RequestEnded("req_1", "GET", 200, 0.1, 0, client_request_id=f"4 {PROMPT}"))
    page = PlainTextResponse(f"5 {MARK}")
    wrong = PlainTextResponse(f"6 {MARK}", 404)
    shown = PlainTextResponse("no", headers={"x-7": MARK})
    packed = Response(gzip.compress(f"8 {MARK}".encode()), headers={"content-encoding": "gzip"})

    async def app(path: str, *, pages: bool) -> None:
        answers = {"page": page, "wrong": wrong, "shown": shown, "packed": packed}
        routes = [Route(f"/{name}", answer) for name, answer in answers.items()]
        kept = outputs.answers(Starlette(routes=routes), path, pages=pages)
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(kept), base_url="http://a"
        ) as one:
            await one.get(f"/{path}")

    await app("page", pages=True)
    await app("packed", pages=True)
    await app("wrong", pages=False)
    await app("shown", pages=False)
    verdict = outputs.judge()
    places = sorted(Path(hit.place).name for hit in verdict.hits)
    texts = [f"{name}.txt" for name in ("commands", "log", "packed", "page", "shown", "wrong")]
    assert places == sorted([*texts, "gateway-001.log"])
    assert verdict.sizes["log"] > 0
    assert str(verdict).endswith("): 7 hits")


async def test_a_picture_s_bytes_and_a_good_answer_s_body_are_not_kept(tmp_path: Path) -> None:
    outputs = Outputs()
    outputs.open(tmp_path)
    app = outputs.answers(PlainTextResponse(MARK), "answers")
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://a") as one:
        await one.get("/")
    assert outputs.judge().hits == []


def test_before_it_is_opened_and_after_the_verdict_nothing_is_kept(tmp_path: Path) -> None:
    outputs = Outputs()
    outputs.keep("commands", MARK)
    outputs.open(tmp_path)
    assert outputs.judge().hits == []
    outputs.keep("commands", MARK)
    outputs.emit(RequestEnded(MARK, "GET", 200, 0.1, 0))
    assert outputs.judge().sizes["logs of processes"] == 0


@pytest.mark.parametrize(
    ("what", "code", "shared"),
    [("'harmless'", 0, ()), ("'x' + MARK", 1, ()), ("'x' + MARK", 1, ("-n", "2"))],
)
def test_a_run_in_which_one_is_found_fails(
    tmp_path: Path, what: str, code: int, shared: Sequence[str]
) -> None:
    (tmp_path / "conftest.py").write_text("from tests.conftest import *\n")
    (tmp_path / "test_it.py").write_text(RUN.replace("WHAT", what))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *shared, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == code, done.stdout
    assert "1 passed" in done.stdout
    assert ("CANARY" in done.stdout) is bool(code)
    assert re.search(r"answers \d+", done.stdout), done.stdout
    assert done.stdout.count("bytes searched") == 1
