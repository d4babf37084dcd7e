import os
import pty
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from tests.cli.processes import PATIENCE, environment, gateway, running

FAST = ("--port", "0", "--speed", "1000", "--folder", "pictures")
NEVER = ("--port", "0", "--speed", "0.1", "--folder", "pictures")


def picture_told(out: str) -> tuple[Path, str]:
    """The picture's path and size, as the last line of the demonstration says."""
    found = re.search(r"^picture +(.+?) +\((\d+x\d+), \d+\.\d s\)$", out, re.MULTILINE)
    assert found is not None, out
    return Path(found[1]), found[2]


def test_a_picture_is_made_and_said_where_it_lies(tmp_path: Path) -> None:
    done = gateway(tmp_path, "demo", "--once", *FAST)
    assert (done.returncode, done.stderr) == (0, "")
    path, size = picture_told(done.stdout)
    assert path.parent == tmp_path / "pictures"
    with Image.open(path) as image:
        image.load()
        assert (image.format, image.size, size) == ("PNG", (1024, 1024), "1024x1024")
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["gateway", "simulated", "picture"]
    assert "\r" not in done.stdout  # a pipe has nothing to write over


def test_any_size_and_prompt_will_do(tmp_path: Path) -> None:
    wanted = ("--size", "1000x777", "--prompt", "雾中的灯塔")
    done = gateway(tmp_path, "demo", "--once", *FAST, *wanted)
    assert done.returncode == 0, done.stderr
    with Image.open(picture_told(done.stdout)[0]) as image:
        assert image.size == (1000, 777)


@pytest.mark.parametrize(
    ("wish", "reason"),
    [
        (("--size", "9999x10"), "Invalid size '9999x10'"),
        (("--size", "tall"), "Invalid value: 'tall'"),
        (("--prompt", ""), "Invalid 'prompt': empty string"),
    ],
)
def test_a_wish_that_is_refused_is_told_in_one_line(
    tmp_path: Path, wish: tuple[str, ...], reason: str
) -> None:
    done = gateway(tmp_path, "demo", *FAST, *wish)
    assert done.returncode == 1
    assert done.stderr.startswith(f"no picture: {reason}")
    assert done.stderr.count("\n") == 1
    assert "Serving" not in done.stdout


def test_a_folder_that_cannot_be_written_to_is_told_before_anything_starts(tmp_path: Path) -> None:
    (tmp_path / "pictures").write_text("not a folder")
    done = gateway(tmp_path, "demo", "--once", *FAST[:-2], "--folder", "pictures/here")
    assert (done.returncode, done.stdout) == (1, "")
    assert "Not a directory\nChoose another with --folder.\n" in done.stderr


def test_a_taken_port_is_said_and_another_used(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = gateway(tmp_path, "demo", "--once", *FAST, "--port", str(port))
    assert done.returncode == 0, done.stderr
    first, second, *_ = done.stdout.splitlines()
    found = re.fullmatch(rf"port {port} is taken, using (\d+)", first)
    assert found is not None
    assert f"http://127.0.0.1:{found[1]}/v1" in second


def test_a_proxy_of_this_machine_is_not_asked(tmp_path: Path) -> None:
    nowhere = "http://127.0.0.1:9"
    done = gateway(
        tmp_path, "demo", "--once", *FAST, http_proxy=nowhere, HTTP_PROXY=nowhere, all_proxy=nowhere
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_after_the_picture_it_serves_until_a_signal(tmp_path: Path, number: signal.Signals) -> None:
    with running(tmp_path, "demo", *FAST) as demo:
        demo.until("Serving until Ctrl-C.")
        assert demo.end(number) == 0
        assert demo.err == ""


def test_a_signal_before_the_picture_ends_it_without_a_traceback(tmp_path: Path) -> None:
    with running(tmp_path, "demo", *NEVER) as demo:
        demo.until("simulated vendor")
        assert demo.end(signal.SIGINT) == 1
        assert demo.err == "stopped before there was a picture\n"


def test_on_a_terminal_a_line_is_written_over_and_leaves_nothing(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "gateway", "demo", "--once", *FAST],
        cwd=tmp_path,
        env=environment(),
        stdout=theirs,
        stderr=subprocess.PIPE,
    ) as child:
        os.close(theirs)
        said = read_to_the_end(ours)
        assert child.wait(PATIENCE) == 0
    steps = [step for step in said.split("\r") if step.startswith("making a picture")]
    assert steps
    assert all(len(step) < 50 for step in steps)  # a narrow window holds it
    *_, blank, picture = said.replace("\r\n", "\n").split("\r")
    assert (blank.strip(), picture.split()[0]) == ("", "picture")


def read_to_the_end(terminal: int) -> str:
    parts = []
    try:
        while part := os.read(terminal, 4096):
            parts.append(part)
    except OSError:  # how Linux says that the other side was closed
        pass
    finally:
        os.close(terminal)
    return b"".join(parts).decode()
