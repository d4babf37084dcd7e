import asyncio
import contextlib
import json
import signal
import socket
import sqlite3
import subprocess
from pathlib import Path

import openai
import pytest

import gateway as package
from gateway.cli import serve
from gateway.config.sections import Config, Upstream
from gateway.simulator.app import Simulator
from gateway.state.schema import APPLICATION_ID, VERSION
from tests import canaries
from tests.cli.conftest import KEY
from tests.cli.processes import PATIENCE, gateway, running
from tests.cli.served import serving

PROMPT = f"{canaries.PROMPT} nobody may read of"


async def test_it_serves_logs_and_ends_well_on_a_signal(config: Path) -> None:
    with serving(config) as served:
        assert await asyncio.to_thread(served.probe, "/livez") == (200, "ok")
        assert await asyncio.to_thread(served.probe, "/readyz") == (200, "ok")
        async with served.client() as client:
            made = await client.images.generate(model="gpt-image-2", prompt=PROMPT, size="800x600")
        assert made.size == "800x600"
        code = await asyncio.to_thread(served.process.end, signal.SIGTERM)
        assert (code, served.process.err) == (0, "")
        names = [line["event"] for line in served.lines()]
        assert names[:4] == ["starting", "ledger_opened", "listening", "listening"]
        assert names[-2:] == ["stopping", "stopped"]
        (ended,) = served.told("request_ended")
        assert (ended["status"], ended["key_name"]) == (200, "studio")
        loud = [line["event"] for line in served.lines() if line["level"] != "info"]
        assert loud == ["ledger_opened"]  # there was none before
        said = "".join(served.process.out)
        for secret in (KEY, canaries.VENDOR_KEY, PROMPT):
            assert secret not in said


async def test_the_log_says_at_start_what_is_served_and_where(
    config: Path, vendor: tuple[Simulator, str]
) -> None:
    with serving(config) as served:
        (starting,) = served.told("starting")
        assert starting["version"] == package.__version__
        assert (starting["vendor"], starting["folder"]) == (vendor[1], "pictures")
        assert (starting["models"], starting["keys"]) == (["gpt-image-2"], ["studio"])
        assert [line["host"] for line in served.told("listening")] == ["127.0.0.1"] * 2
        assert await asyncio.to_thread(served.process.end, signal.SIGINT) == 0
        (stopped,) = served.told("stopped")
        assert stopped["version"] == package.__version__
        assert 0 < stopped["uptime"] < PATIENCE


def test_the_address_to_register_for_webhooks_is_said_and_their_secret_is_not() -> None:
    keys = [{"name": "studio", "key": KEY}]
    upstream = {"api_key": "vendor-key", "webhook_secret": canaries.VENDOR_WEBHOOK_SECRET}
    server = {"public_url": "https://pictures.example"}
    config = Config.model_validate({"upstream": upstream, "server": server, "keys": keys})
    starting = serve._starting(config)
    assert starting.webhooks == "https://pictures.example/webhooks/toapis"
    assert canaries.VENDOR_WEBHOOK_SECRET in serve._secrets(config)
    plain = config.model_copy(update={"upstream": Upstream.model_validate({"api_key": "k" * 8})})
    assert serve._starting(plain).webhooks is None


async def test_who_waits_when_it_is_stopped_is_told_to_come_back(
    config: Path, vendor: tuple[Simulator, str]
) -> None:
    simulator = vendor[0].vendor
    simulator.change(simulator.settings.changed({"speed": 0.1}))
    with serving(config) as served:
        async with served.client() as client:
            wish = asyncio.create_task(
                client.images.generate(model="gpt-image-2", prompt=PROMPT, size="1024x1024")
            )
            await asyncio.to_thread(served.process.until, '"created"')
            served.process.send(signal.SIGTERM)
            with pytest.raises(openai.InternalServerError) as caught:
                await wish
        code = await asyncio.to_thread(served.process.end)
    response = caught.value.response
    assert (code, served.process.err) == (0, "")
    assert (response.status_code, caught.value.code) == (503, "server_is_draining")
    assert response.headers["x-should-retry"] == "true"
    assert response.headers["retry-after"] == "1"
    assert response.headers["x-gateway-task"] in caught.value.message
    assert [line["jobs"] for line in served.told("stopping")] == [1]
    (suspended,) = served.told("job_suspended")
    assert suspended["states"] == ["running"]
    (ended,) = served.told("request_ended")
    assert (ended["status"], ended["error_code"]) == (503, "server_is_draining")


def test_a_port_in_use_is_told_in_one_line(config: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        place = f"127.0.0.1:{taken.getsockname()[1]}"
        port = place.rpartition(":")[2]
        done = gateway(config.parent, "serve", "--config", config.name, GATEWAY__OPS__PORT=port)
    assert done.returncode == 1
    assert done.stderr == f"cannot listen on {place}: the port is in use by another program\n"
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["event"] for line in lines] == [*("starting", "ledger_opened", "start_failed")]
    assert (lines[-1]["level"], lines[-1]["reason"]) == ("error", done.stderr.strip())


def test_why_a_ledger_refuses_to_open_is_in_the_log_too(config: Path) -> None:
    ledger = config.parent / "data/state.db"
    ledger.parent.mkdir()
    with contextlib.closing(sqlite3.connect(ledger)) as connection:
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {VERSION + 1}")
    done = gateway(config.parent, "serve", "--config", config.name)
    begun, failed = map(json.loads, done.stdout.splitlines())
    assert (done.returncode, begun["event"]) == (1, "starting")
    assert (failed["level"], failed["event"]) == ("error", "start_failed")
    assert f"is of format {VERSION + 1}, and this version knows {VERSION}" in failed["reason"]
    assert failed["advice"].startswith("Run the version of the gateway")
    assert done.stderr == f"{failed['reason']}\n{failed['advice']}\n"


def test_a_secret_in_the_reason_is_hidden_in_the_log(config: Path) -> None:
    secret = "a-key-that-became-a-folder"
    (config.parent / secret).write_text("not a folder")
    settings = {"GATEWAY__IMAGES__FOLDER": secret, "GATEWAY__UPSTREAM__API_KEY": secret}
    done = gateway(config.parent, "serve", "--config", config.name, **settings)
    (failed,) = map(json.loads, done.stdout.splitlines())
    assert failed["reason"] == "folder: nothing can be written to ***: Not a directory"


def refusal(done: subprocess.CompletedProcess[str]) -> list[str]:
    """Why it ended, and what may be done: on standard error, and as the log's only line."""
    assert done.returncode == 1
    (line,) = map(json.loads, done.stdout.splitlines())
    assert (line["level"], line["event"]) == ("error", "start_failed")
    told = [line["reason"], line["advice"]]
    assert done.stderr.splitlines() == told
    return told


def test_a_folder_that_cannot_be_written_to_is_told_before_anything_is_bought(
    config: Path,
) -> None:
    (config.parent / "pictures").write_text("not a folder")
    done = gateway(config.parent, "serve", "--config", config.name)
    reason, advice = refusal(done)
    assert reason == "folder: nothing can be written to pictures: Not a directory"
    assert "images.folder" in advice


def test_a_ledger_that_cannot_be_written_is_told_before_anything_is_bought(config: Path) -> None:
    (config.parent / "data").write_text("not a folder")
    done = gateway(config.parent, "serve", "--config", config.name)
    reason, advice = refusal(done)
    assert reason == "ledger: nothing can be written to data: Not a directory"
    assert "state.url" in advice


def test_a_configuration_with_faults_is_told_with_all_of_them(config: Path) -> None:
    config.write_text("server: {port: many}\nkeys: []\n")
    done = gateway(config.parent, "serve", "--config", config.name)
    assert (done.returncode, done.stdout) == (2, "")
    assert "config.yaml:1: server.port" in done.stderr
    assert "upstream.api_key: is required" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_script_of_fail_points_that_cannot_be_read_ends_it_before_it_listens(
    config: Path,
) -> None:
    script = "create.sent=burn"
    done = gateway(config.parent, "serve", "--config", config.name, GATEWAY_FAILPOINTS=script)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "GATEWAY_FAILPOINTS: 'create.sent=burn': after = comes one of kill, raise, enospc, sleep\n"
    )


async def test_armed_fail_points_are_a_warning_in_the_log(config: Path) -> None:
    script = "create.sent=kill:3"
    command = ("serve", "--config", config.name)
    with running(config.parent, *command, GATEWAY_FAILPOINTS=script) as process:
        told = json.loads(process.until('"failpoints_armed"'))
        assert (told["level"], told["script"]) == ("warning", script)
        process.until('"operators"')
        assert await asyncio.to_thread(process.end, signal.SIGTERM) == 0


async def test_for_people_the_log_is_plain_lines(config: Path) -> None:
    config.write_text(config.read_text() + "log: {format: console}\n")
    with running(config.parent, "serve", "--config", config.name) as process:
        line = process.until("operators")
        assert "listening" in line
        assert not line.startswith("{")
        assert process.end(signal.SIGTERM) == 0
