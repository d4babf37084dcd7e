"""``compose.yaml``: everything in it is confined, provisioned, and understood by who reads it.

There is no Docker where these tests run; what Compose itself would say is asked where it is there.
"""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import gateway
from gateway.cli.machine import SPARE_FILES
from gateway.cli.serve import GRACE
from gateway.config.loader import load
from gateway.config.sections import Drain
from tests.deploy.container import last, steps
from tests.repo.source import ROOT

Json = dict[str, Any]
COMPOSE: Json = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))
SERVICES: dict[str, Json] = COMPOSE["services"]
EACH = pytest.mark.parametrize("name", SERVICES)

# Of the Compose specification what is used here; anything else is mistyped, or wants a look.
SETTINGS = {
    *("image", "build", "user", "environment", "secrets", "ports", "volumes", "ulimits"),
    *("stop_grace_period", "healthcheck", "command", "read_only", "cap_drop"),
    *("security_opt", "pids_limit", "restart", "tmpfs", "logging"),
}
# What the operator makes; all else that is mounted lies in this project.
MADE = {"./config"}


def mounts(service: Json) -> Iterator[tuple[str, str, str]]:
    for volume in service["volumes"]:
        source, _, rest = volume.partition(":")
        target, _, how = rest.partition(":")
        yield source, target, how


def mounted(service: Json, path: str) -> Path:
    """Where a path of a container lies in this project. Raises: LookupError."""
    for source, target, _ in mounts(service):
        if path.startswith(f"{target}/"):
            return ROOT / source / path.removeprefix(f"{target}/")
    raise LookupError(path)


def test_it_is_written_in_words_that_compose_has() -> None:
    assert set(COMPOSE) == {"name", "x-confined", "services", "volumes", "secrets"}
    assert {word for service in SERVICES.values() for word in service} <= SETTINGS


@EACH
def test_a_service_may_do_nothing_it_need_not(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert re.fullmatch(r"[1-9][0-9]*:[0-9]+", service["user"])
    assert service["pids_limit"] > 0
    assert service["restart"] == "unless-stopped"
    assert service["logging"]["options"]["max-size"]


@EACH
def test_an_image_is_named_by_its_exact_version(name: str) -> None:
    assert re.fullmatch(r"[a-z/-]+:v?[0-9]+\.[0-9]+\.[0-9]+", SERVICES[name]["image"])


def test_the_gateways_image_is_this_version_and_its_user_the_images_own() -> None:
    service = SERVICES["gateway"]
    assert service["image"] == f"image-gateway:{gateway.__version__}"
    dockerfile = steps((ROOT / service["build"]["context"] / "Dockerfile").read_text("utf-8"))
    assert last("USER", dockerfile) == service["user"]
    assert last("VOLUME", dockerfile) in [target for _, target, _ in mounts(service)]


@EACH
def test_only_this_machine_reaches_a_port(name: str) -> None:
    assert SERVICES[name]["ports"]
    assert all(re.fullmatch(r"127\.0\.0\.1:(\d+):\1", port) for port in SERVICES[name]["ports"])


def test_no_two_services_want_one_port() -> None:
    ports = [port for service in SERVICES.values() for port in service["ports"]]
    assert len({*ports}) == len(ports)


@EACH
def test_a_service_says_whether_it_is_well(name: str) -> None:
    check = SERVICES[name]["healthcheck"]
    assert check["test"][0] == "CMD"
    (port,) = re.findall(r"127\.0\.0\.1:(\d+)", " ".join(check["test"]))
    assert f"127.0.0.1:{port}:{port}" in SERVICES[name]["ports"]
    assert check.keys() == {"test", "interval", "timeout", "start_period"}


def test_the_gateway_is_asked_how_it_is_as_its_image_asks_it() -> None:
    dockerfile = steps((ROOT / "Dockerfile").read_text("utf-8"))
    assert SERVICES["gateway"]["healthcheck"]["test"][-1] in last("HEALTHCHECK", dockerfile)


@EACH
def test_secrets_come_by_file_alone(name: str) -> None:
    service = SERVICES[name]
    named = {word: value for word, value in service.get("environment", {}).items() if secret(word)}
    assert all(word.endswith("_FILE") for word in named)
    used = set(named.values()) | set(re.findall(r"/run/secrets/\w+", configuration(name)))
    assert used == {f"/run/secrets/{one}" for one in service["secrets"]}
    for one in service["secrets"]:
        assert COMPOSE["secrets"][one] == {"file": f"./secrets/{one}"}


def secret(word: str) -> bool:
    return re.search(r"KEY|TOKEN|PASSWORD|SECRET", word) is not None


def configuration(name: str) -> str:
    """What a service is configured by besides its environment."""
    if name != "prometheus":
        return ""
    return mounted(SERVICES[name], config_file()).read_text("utf-8")


def config_file() -> str:
    (given,) = (one for one in SERVICES["prometheus"]["command"] if "config.file" in one)
    return str(given).partition("=")[2]


def test_what_is_secret_and_what_is_yours_is_never_committed() -> None:
    ignored = (ROOT / ".gitignore").read_text("utf-8").splitlines()
    assert {"/config/", "/secrets/"} <= {*ignored}


@EACH
def test_what_is_mounted_from_here_is_there_and_cannot_be_changed(name: str) -> None:
    kept = []
    for source, _, how in mounts(SERVICES[name]):
        if source.startswith("."):
            assert how == "ro"
            assert source in MADE or (ROOT / source).is_dir()
        else:
            kept.append(source)
    assert kept == [name]  # one folder that may be written to
    assert COMPOSE["volumes"][name] == {}


def test_the_gateway_understands_what_it_is_told(tmp_path: Path) -> None:
    service = SERVICES["gateway"]
    for one in service["secrets"]:
        (tmp_path / one).write_text(f"{one}-is-secret\n")
    (tmp_path / "config.yaml").write_text("keys: [{name: studio, key: sk-igw-studio}]\n")
    environ = {
        name: value.replace("/run/secrets", str(tmp_path))
        for name, value in service["environment"].items()
    }
    config = load(str(tmp_path / "config.yaml"), environ).config
    assert config.ops.host == "0.0.0.0"
    assert config.ops.token is not None
    assert config.ops.token.get_secret_value() == "ops_token-is-secret"
    assert config.upstream.api_key.get_secret_value() == "toapis_api_key-is-secret"
    ports = {f"127.0.0.1:{port}:{port}" for port in (config.server.port, config.ops.port)}
    assert ports == {*service["ports"]}
    files = config.server.bounds.connections + config.upstream.polling.concurrency + SPARE_FILES
    assert service["ulimits"]["nofile"]["soft"] >= files


@EACH
def test_a_service_starts_whatever_becomes_of_the_others(name: str) -> None:
    """Else nobody would see that the gateway does not start."""
    assert "depends_on" not in SERVICES[name]


def test_the_gateway_has_time_to_stop() -> None:
    seconds = int(SERVICES["gateway"]["stop_grace_period"].removesuffix("s"))
    assert seconds >= Drain().delay + GRACE + 10


def test_prometheus_asks_the_gateway_and_keeps_what_the_objectives_are_about() -> None:
    told = yaml.safe_load(configuration("prometheus"))
    (scrape,) = told["scrape_configs"]
    assert scrape["static_configs"] == [{"targets": ["gateway:9464"]}]
    for name in told["rule_files"]:
        assert mounted(SERVICES["prometheus"], f"{Path(config_file()).parent}/{name}").exists()
    (kept,) = (one for one in SERVICES["prometheus"]["command"] if "retention.time" in one)
    assert int(re.findall(r"=(\d+)d$", kept)[0]) > 30
    assert "--enable-feature=exemplar-storage" in SERVICES["prometheus"]["command"]


def test_grafana_finds_its_source_and_its_dashboards() -> None:
    service = SERVICES["grafana"]
    provisioned = mounted(service, "/etc/grafana/provisioning/x").parent
    (source,) = yaml.safe_load((provisioned / "datasources/prometheus.yaml").read_text())[
        "datasources"
    ]
    assert source["type"] == "prometheus"
    assert source["url"] == "${PROMETHEUS_URL}"
    assert service["environment"]["PROMETHEUS_URL"] == "http://prometheus:9090"
    (provider,) = yaml.safe_load((provisioned / "dashboards/image-gateway.yaml").read_text())[
        "providers"
    ]
    assert provider["options"]["path"] in [target for _, target, _ in mounts(service)]
    home = service["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert mounted(service, home).exists()


def test_the_source_knows_how_often_prometheus_looks() -> None:
    told = yaml.safe_load(configuration("prometheus"))
    path = ROOT / "grafana/provisioning/datasources/prometheus.yaml"
    (source,) = yaml.safe_load(path.read_text("utf-8"))["datasources"]
    assert source["jsonData"]["timeInterval"] == told["global"]["scrape_interval"]


def test_compose_itself_agrees_where_it_is_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        has = subprocess.run(["docker", "compose", "version"], check=False, capture_output=True)
    except OSError:
        has = None
    if has is None or has.returncode:
        with capsys.disabled():
            print("\nno docker compose here: compose.yaml is held to the rules above alone")  # noqa: T201
        return
    command = ["docker", "compose", "--file", "compose.yaml", "config", "--quiet"]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
