"""What the demonstration prints for pasting, pasted."""

import json
import re
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from gateway.cli.snippets import snippets
from tests.cli.processes import PATIENCE, environment, running
from tests.clients.driving import NODE


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The texts by language, as printed by a demonstration that goes on serving."""
    folder = tmp_path_factory.mktemp("demo")
    with running(folder, "demo", "--port", "0", "--speed", "1000") as demo:
        demo.until("Serving until Ctrl-C.")
        _, *parts = "".join(demo.out[:-1]).split("\n--- ")
        yield dict(part.split(" ---\n", 1) for part in parts)


def pasted(folder: Path, *words: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        words,
        cwd=folder,
        env=environment(),
        input=text,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )


def size_of(path: Path) -> tuple[int, int]:
    with Image.open(path) as image:
        image.load()
        assert image.format == "PNG"
        return image.size


def test_all_three_are_printed_as_they_are_made(printed: dict[str, str]) -> None:
    assert list(printed) == ["Python", "curl", "Node"]
    url = re.findall(r"http://[\d.:]+", printed["curl"])[0]
    key = printed["curl"].partition("Bearer ")[2].partition('"')[0]
    assert {name: text.strip() for name, text in printed.items()} == {
        name: text.strip() for name, text in snippets(url, key).items()
    }


def test_the_one_for_python_works_as_a_file(printed: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "lighthouse.py").write_text(printed["Python"])
    done = pasted(tmp_path, sys.executable, "lighthouse.py")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "lighthouse.png 1536x1024\n"
    assert size_of(tmp_path / "lighthouse.png") == (1536, 1024)


def test_the_one_for_python_works_line_by_line(printed: dict[str, str], tmp_path: Path) -> None:
    done = pasted(tmp_path, sys.executable, "-i", "-q", text=printed["Python"])
    assert "Error" not in done.stderr
    assert "lighthouse.png 1536x1024" in done.stdout
    assert size_of(tmp_path / "lighthouse.png") == (1536, 1024)


def test_the_one_for_curl_gives_a_link_that_works(printed: dict[str, str], tmp_path: Path) -> None:
    if shutil.which("curl") is None:
        pytest.fail("curl is missing: install the package curl")
    done = pasted(tmp_path, "sh", "-euc", printed["curl"])
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("}\n")  # the prompt of the shell gets a line of its own
    link = json.loads(done.stdout)["data"][0]["url"]
    with urllib.request.urlopen(link, timeout=PATIENCE) as answer:  # noqa: S310 - our own
        (tmp_path / "lighthouse.png").write_bytes(answer.read())
    assert size_of(tmp_path / "lighthouse.png")


def test_the_one_for_node_is_a_module(printed: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "lighthouse.mjs").write_text(printed["Node"])
    done = pasted(tmp_path, str(NODE), "--check", "lighthouse.mjs")
    assert (done.returncode, done.stderr) == (0, "")
