import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway.cli import main
from gateway.cli.asking import asking
from gateway.cli.doctor import examine
from gateway.cli.findings import Answer, Finding
from gateway.clock import SystemClock
from gateway.config.sections import Config

KEY = "sk-canary"
BODY = b'{"success": true, "data": [{"id": "gpt-image-1.5-official"}]}'


class Vendor(BaseHTTPRequestHandler):
    """The vendor's list of models, for those who have the key."""

    def do_GET(self) -> None:
        allowed = self.headers["authorization"] == f"Bearer {KEY}"
        body = BODY if allowed and self.path == "/v1/models?type=all" else b"{}"
        self.send_response(200 if allowed else 401)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


class Gibberish(BaseHTTPRequestHandler):
    """Something that answers, but not in HTTP."""

    def handle(self) -> None:
        self.request.recv(100)
        self.request.sendall(b"220 mail.example ESMTP\r\n")


class Silence(BaseHTTPRequestHandler):
    """Something that takes every byte and says nothing."""

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError):
            while self.request.recv(4096):
                pass


class FakeAsker:
    async def get(self, url: str, headers: Mapping[str, str], timeout: float) -> Answer:  # noqa: ASYNC109
        return Answer(401, {}, b"{}")


def serve(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def vendor() -> Iterator[str]:
    yield from serve(Vendor)


@pytest.fixture
def gibberish() -> Iterator[str]:
    yield from serve(Gibberish)


@pytest.fixture
def silence() -> Iterator[str]:
    yield from serve(Silence)


@pytest.fixture
def doctor(tmp_path: Path) -> Callable[..., Result]:
    def call(base_url: str, *arguments: str, key: str = KEY) -> Result:
        path = tmp_path / "config.yaml"
        path.write_text(
            f"server: {{port: 0}}\nops: {{port: 0}}\nimages: {{folder: {tmp_path}, shelf: 1}}\n"
            f"upstream: {{api_key: {key}, base_url: '{base_url}'}}\n"
            "keys: [{name: studio, key: canary-studio}]\n"
            f"state: {{url: 'sqlite:///{tmp_path}/state.db'}}\n",
            encoding="utf-8",
        )
        return CliRunner().invoke(main, ["doctor", "--config", str(path), *arguments])

    return call


def made(**sections: object) -> Config:
    return Config.model_validate(
        {
            "upstream": {"api_key": KEY, "base_url": "http://127.0.0.1:9"},
            "keys": [{"name": "studio", "key": "canary-studio"}],
            "server": {"port": 0},
            "ops": {"port": 0},
            **sections,
        }
    )


async def report(config: Config, asker: FakeAsker | None) -> list[Finding]:
    return [finding async for finding in examine(config, asker, SystemClock())]


def test_all_is_well_with_a_vendor_that_knows_the_key(
    doctor: Callable[..., Result], vendor: str
) -> None:
    result = doctor(vendor)

    assert result.exit_code == 0, result.output
    subjects = [line[6:].partition(":")[0] for line in result.output.splitlines() if line[0] != " "]
    assert subjects == [
        "folder",
        "ledger",
        "disk",
        "open files",
        "server",
        "ops",
        "links",
        "webhooks",
        "name",
        "connection",
        "key",
        "model gpt-image-2",
        "clock",
    ]
    assert "canary" not in result.output


def test_a_wrong_key_ends_with_1_and_advice(doctor: Callable[..., Result], vendor: str) -> None:
    result = doctor(vendor, key="canary-wrong")

    assert result.exit_code == 1
    assert "fail  key: the vendor does not accept the key (401)\n      Check" in result.output
    assert "canary" not in result.output


def test_what_does_not_speak_http_is_told(doctor: Callable[..., Result], gibberish: str) -> None:
    result = doctor(gibberish)

    assert result.exit_code == 1
    assert "fail  key: the vendor does not answer: " in result.output


def test_offline_leaves_the_vendor_out(doctor: Callable[..., Result]) -> None:
    result = doctor("https://nowhere.invalid", "--offline")

    assert result.exit_code == 0, result.output
    assert "nowhere" not in result.output


def test_a_vendor_without_a_name_is_not_asked_further(doctor: Callable[..., Result]) -> None:
    result = doctor("https://nowhere.invalid")

    assert result.exit_code == 1
    assert "fail  name: nowhere.invalid" in result.output
    assert "connection" not in result.output


def test_faults_of_the_configuration_end_with_2(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("server: {port: http}\n", encoding="utf-8")

    result = CliRunner().invoke(main, ["doctor", "--config", str(path)])

    assert result.exit_code == 2
    assert "server.port: must be a whole number" in result.stderr
    assert "3 faults in the configuration" in result.stderr


async def test_links_without_a_public_url_are_a_warning_on_an_open_listener() -> None:
    found = await report(made(server={"port": 0, "host": "0.0.0.0"}), None)

    assert [finding.grade for finding in found if finding.subject == "links"] == ["warn"]
    public = {"port": 0, "host": "0.0.0.0", "public_url": "https://x.example"}
    found = await report(made(server=public), None)
    assert [finding.grade for finding in found if finding.subject == "links"] == ["ok"]


@pytest.mark.parametrize(
    ("public", "secret", "grade", "words"),
    [
        (None, None, "ok", "none are taken of the vendor"),
        ("https://x.example", None, "ok", "none are taken of the vendor"),
        ("https://x.example", "s" * 32, "ok", "register https://x.example/webhooks/toapis"),
        ("http://x.example", "s" * 32, "warn", "http://x.example/webhooks/toapis is none"),
        ("https://localhost", "s" * 32, "warn", "https://localhost/webhooks/toapis is none"),
    ],
)
async def test_where_the_vendor_s_webhooks_should_arrive_is_told(
    public: str | None, secret: str | None, grade: str, words: str
) -> None:
    upstream = {"api_key": KEY, "base_url": "http://127.0.0.1:9", "webhook_secret": secret}
    found = await report(made(server={"port": 0, "public_url": public}, upstream=upstream), None)
    (told,) = [finding for finding in found if finding.subject == "webhooks"]
    assert told.grade == grade
    assert words in told.message
    assert "ssss" not in str(told)


async def test_the_asker_that_is_given_is_the_one_that_asks(vendor: str) -> None:
    found = await report(made(upstream={"api_key": KEY, "base_url": vendor}), FakeAsker())

    assert "does not accept the key" in found[-2].message


async def test_the_client_sends_what_it_is_given_and_gives_back_the_answer(vendor: str) -> None:
    async with asking(made().upstream) as asker:
        headers = {"authorization": f"Bearer {KEY}"}
        answer = await asker.get(f"{vendor}/v1/models?type=all", headers, 5)

    assert (answer.status, answer.body) == (200, BODY)
    assert "date" in answer.headers


async def test_the_client_gives_up_in_time(silence: str) -> None:
    async with asking(made().upstream) as asker:
        with pytest.raises(OSError):  # noqa: PT011 - whichever kind, it is what the protocol allows
            await asker.get(f"{silence}/v1/models?type=all", {}, 0.05)
