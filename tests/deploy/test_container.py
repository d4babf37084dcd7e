import json
import os
import re
import shutil
import signal
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

import gateway
from gateway.config.sections import Ops, Server
from tests.cli.processes import Process, running
from tests.deploy.asking import ask
from tests.deploy.container import NOBODY, Builder, Step, command, flags, last, steps
from tests.repo.source import ROOT

TEXT = (ROOT / "Dockerfile").read_text("utf-8")
STEPS = steps(TEXT)


def test_the_command_starts_on_a_read_only_root(container: Builder) -> None:
    done = container.run([*command(last("ENTRYPOINT", STEPS)), "--version"])
    assert done.returncode == 0, done.stderr
    assert gateway.__version__ in done.stdout


def test_what_runs_is_what_was_copied_and_not_this_source_tree(container: Builder) -> None:
    done = container.run(["python", "-c", "import gateway; print(gateway.__file__)"])
    assert done.stdout.startswith(str(container.root)), done.stderr


def test_only_the_one_folder_can_be_written_to(container: Builder) -> None:
    if os.geteuid() == 0 and not container.drops_root:
        pytest.fail("only root may run the Pythons of this machine: install the package python3")
    attempt = "import pathlib, sys; pathlib.Path(sys.argv[1]).write_text('x')"
    places = {"data": 0, "opt/gateway": 1, "": 1}
    for place, expected in places.items():
        path = container.root / place / "written"
        assert container.run(["python", "-c", attempt, str(path)]).returncode == expected, place
    spooled = container.run(["python", "-c", "import tempfile; print(tempfile.gettempdir())"])
    assert Path(spooled.stdout.strip()) == container.root / "data"


class Probe(BaseHTTPRequestHandler):
    """Answers every probe with the status its server was given."""

    status = 200

    def do_GET(self) -> None:
        self.send_response(self.status if self.path == "/livez" else 404)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        pass


@pytest.mark.parametrize(("status", "code"), [(200, 0), (503, 1), (None, 1)])
def test_the_health_check_tells_a_live_gateway_from_a_dead_one(
    container: Builder, status: int | None, code: int
) -> None:
    check = command(last("HEALTHCHECK", STEPS))
    with HTTPServer(("127.0.0.1", 0), type("Answer", (Probe,), {"status": status})) as server:
        here = [word.replace(":9464", f":{server.server_port}") for word in check]
        if status is None:
            server.server_close()
        else:
            threading.Thread(target=server.handle_request, daemon=True).start()
        assert container.run(here).returncode == code
    assert here != check


def test_it_serves_as_it_is_started_by_default(container: Builder, tmp_path: Path) -> None:
    words = [*command(last("ENTRYPOINT", STEPS)), *command(last("CMD", STEPS))]
    words = [container.here(word) for word in words]
    assert words[1:3] == ["serve", "--config"]
    container.mount(Path(words[3]), ROOT / "config.example.yaml")
    with (
        running(tmp_path, "simulate", "--port", "0", "--speed", "1000") as vendor,
        container.start(
            words,
            TOAPIS_API_KEY="simulated",
            STUDIO_KEY="sk-studio-key",
            GATEWAY__UPSTREAM__BASE_URL=vendor.until("http").split()[3],
            GATEWAY__UPSTREAM__POLLING__SCALE="0.02",
            GATEWAY__SERVER__PORT="0",
            GATEWAY__OPS__PORT="0",
        ) as child,
    ):
        process = Process(child)
        try:
            served, ops = (json.loads(process.until(name)) for name in ("clients", "operators"))
            assert (served["host"], ops["host"]) == ("0.0.0.0", "127.0.0.1")
            answer = ask(served["url"], "sk-studio-key")
            check = command(last("HEALTHCHECK", STEPS))
            port = ops["url"].rpartition(":")[2]
            assert container.run([word.replace("9464", port) for word in check]).returncode == 0
            assert process.end(signal.SIGTERM) == 0
            assert process.err == ""
        finally:
            child.kill()
    link = answer["data"][0]["url"]
    assert (container.root / "data/images" / link.rpartition("/")[2]).is_file()


def test_operators_in_another_container_need_a_token(container: Builder, tmp_path: Path) -> None:
    place = Path(container.here("/etc/image-gateway/config.yaml"))
    container.mount(place, ROOT / "config.example.yaml")
    token = container.root / "data" / "operators"
    token.write_text("the-operators-token")
    token.chmod(0o644)
    words = [*command(last("ENTRYPOINT", STEPS)), "serve", "--config", str(place)]
    everywhere = {
        "TOAPIS_API_KEY": "simulated",
        "STUDIO_KEY": "sk-studio-key",
        "GATEWAY__SERVER__PORT": "0",
        "GATEWAY__OPS__PORT": "0",
        "GATEWAY__OPS__HOST": "0.0.0.0",
    }
    with container.start(words, **everywhere) as refused:
        assert refused.communicate(timeout=30)[1].count("ops.token") >= 1
        assert refused.returncode == 2
    with container.start(words, **everywhere, GATEWAY__OPS__TOKEN_FILE=str(token)) as child:
        process = Process(child)
        try:
            ops = json.loads(process.until("operators"))
            assert ops["host"] == "0.0.0.0"
            check = command(last("HEALTHCHECK", STEPS))
            port = ops["url"].rpartition(":")[2]
            assert container.run([word.replace("9464", port) for word in check]).returncode == 0
            assert process.end(signal.SIGTERM) == 0
        finally:
            child.kill()


def test_the_ports_told_are_those_that_are_listened_on() -> None:
    ports = {Server().port, Ops().port}
    assert {int(port) for port in last("EXPOSE", STEPS).split()} == ports


def test_base_images_are_named_by_an_exact_version() -> None:
    bases = [step.rest.split()[0] for step in STEPS if step.word == "FROM"]
    assert len(set(bases)) == 1
    assert re.fullmatch(r"python:\d+\.\d+\.\d+-slim-[a-z]+", bases[0])


def test_the_user_is_nobody() -> None:
    assert last("USER", STEPS) == f"{NOBODY}:{NOBODY}"


def test_nothing_is_installed_unchecked() -> None:
    lines = [line for step in STEPS if step.word == "RUN" for line in step.rest.split("&&")]
    installs = [line for line in lines if "pip install" in line]
    assert installs
    assert all("--require-hashes" in line or "--offline" in line for line in installs)


def test_everything_copied_is_let_through_and_nothing_else() -> None:
    copied = {
        word.removeprefix("./")
        for step in STEPS
        if step.word == "COPY" and "from" not in flags(step.rest.split())
        for word in step.rest.split()[:-1]
    }
    lines = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    assert "*" in lines
    assert {line[1:] for line in lines if line.startswith("!")} == copied


def test_continued_lines_and_comments_are_read_as_a_builder_does() -> None:
    text = "# top\nrun a \\\n  # within\n  && b\n\nENV A=1 \\\n    B=2\n"
    assert steps(text) == [Step("RUN", "a && b"), Step("ENV", "A=1 B=2")]


def test_a_step_that_is_not_understood_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not understood"):
        Builder(tmp_path, ROOT).build("ONBUILD RUN true\n")


def test_a_step_that_fails_is_an_error() -> None:
    folder = Path(tempfile.mkdtemp(prefix="image-gateway-"))
    folder.chmod(0o755)
    try:
        with pytest.raises(RuntimeError, match="spilt"):
            Builder(folder, ROOT).build("FROM x\nRUN echo spilt >&2; false\n")
    finally:
        shutil.rmtree(folder)
