"""The page for operators is true: its commands are carried out as they stand.

Blocks marked ``sh`` are one session in a shell, from top to bottom; only the ports are others, for
several tests run on one machine. Blocks marked ``console`` want root, a container engine, a cluster
or what else a test does not have: of them it is checked that what they name is there.
"""

import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

import gateway
from gateway.cli import main
from tests.cli.processes import environment
from tests.cli.processes import gateway as run
from tests.deploy.kubernetes import FOLDER, rendered
from tests.deploy.systemd import unit
from tests.deploy.test_systemd import exposure
from tests.outputs import OUTPUTS
from tests.repo.source import ROOT

PAGE = (ROOT / "docs/operations.md").read_text("utf-8")
MARK = "=== block"
TOOLS = ("bash", "curl", "sed", "grep", "python3")
PORTS = ("8080", "9464", "9800")


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


def free_ports(number: int) -> list[int]:
    """Ports nobody has, for the moment."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [sock.getsockname()[1] for sock in sockets]
    for sock in sockets:
        sock.close()
    return ports


def session(folder: Path) -> subprocess.CompletedProcess[str]:
    """Type all of it, one block after the other; what went wrong ends it."""
    lacking = [tool for tool in TOOLS if shutil.which(tool) is None]
    assert not lacking, f"to try the page's commands, install {', '.join(lacking)}"
    script = "".join(f"echo '{MARK}'\n{block}" for block in blocks("sh"))
    for port, other in zip(PORTS, free_ports(len(PORTS)), strict=True):
        script = re.sub(rf"\b{port}\b", str(other), script)
    programs = folder / "bin"
    programs.mkdir()
    command = programs / "image-gateway"
    command.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -P -m gateway "$@"\n')
    command.chmod(0o755)
    return subprocess.run(
        ["bash", "-m", "-euo", "pipefail", "-c", script],
        cwd=folder,
        env={**environment(), "PATH": f"{programs}:{os.environ['PATH']}", "NO_PROXY": "127.0.0.1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What each block says."""
    done = session(tmp_path_factory.mktemp("trial"))
    OUTPUTS.keep("programs", done.stdout + done.stderr)
    assert done.returncode == 0, done.stdout + done.stderr
    _, *parts = done.stdout.split(f"{MARK}\n")
    return parts


def test_every_block_is_carried_out(said: list[str]) -> None:
    assert len(said) == len(blocks("sh")) == 6


def test_the_first_configuration_is_a_good_one(said: list[str]) -> None:
    assert "keys[0].id" in said[0]
    assert "***" in said[0]
    assert "sk-igw-" not in said[0]


def test_it_starts_and_makes_a_picture(said: list[str]) -> None:
    assert said[1].endswith("ok")
    assert '"url"' in said[2]


def test_operators_see_it(said: list[str]) -> None:
    assert "readyz check passed" in said[3]
    assert '"key_name": "studio"' in said[3]
    assert "done" in said[3].lower()


def test_the_copy_of_the_ledger_is_whole_and_the_stop_is_in_good_order(said: list[str]) -> None:
    assert said[4].strip() == "ok 1"
    assert said[5].split()[-1] == "1"


# What is not carried out


CONSOLE = "\n".join(blocks("console"))
COMMANDS = [shlex.split(line, comments=True) for line in CONSOLE.replace("\\\n", " ").splitlines()]


def test_the_files_that_the_rest_names_are_there() -> None:
    said = {word.removeprefix("--from-file=") for words in COMMANDS for word in words}
    named = {word for word in said if word.startswith(("deploy/", "req", "grafana/"))}
    assert {"requirements.lock", "deploy/kubernetes", "deploy/image-gateway.socket"} <= named
    assert {"grafana/dashboards", "grafana/prometheus/alerts.yml"} <= named
    assert [name for name in named if "$" not in name and not (ROOT / name).exists()] == []


def test_the_commands_of_the_gateway_are_its_own() -> None:
    called = set(re.findall(r"(?<!-n )\bimage-gateway ([a-z]+)", PAGE))
    assert called - set(main.list_commands(click.Context(main))) == set()
    assert {"serve", "check", "keys", "tasks", "simulate"} <= called


def test_versions_and_names_are_those_in_force() -> None:
    assert set(re.findall(r"image-gateway:(\d[\w.]*)", PAGE)) == {gateway.__version__}
    units = set(re.findall(r"image-gateway\.(?:service|socket)", CONSOLE))
    assert units == {unit("service").name, unit("socket").name}


def test_the_secret_is_made_as_the_deployment_wants_it() -> None:
    (made,) = [words for words in COMMANDS if "generic" in words]
    given = {re.sub(r"^--from-\w+=", "", word).split("=")[0] for word in made if "--from" in word}
    secret = rendered(FOLDER).pod["spec"]["volumes"][2]["secret"]
    assert made[made.index("generic") + 1] == secret["secretName"]
    assert given == {item["key"] for item in secret["items"]}
    assert made[made.index("-n") + 1] == rendered(FOLDER).one("Namespace")["metadata"]["name"]


def test_the_exposure_told_is_the_one_that_is_measured() -> None:
    told = re.search(r"rates it ([\d.]+) of 10", " ".join(PAGE.split()))
    assert told is not None
    assert float(told[1]) == exposure(unit("service"))[1]


# In a cluster


def test_the_manifests_configuration_is_checked_without_its_secrets() -> None:
    (words,) = [words for words in COMMANDS if "deploy/kubernetes/config.yaml" in words]
    settings = dict(word.split("=") for word in words if word.startswith("GATEWAY__"))
    assert words[len(settings)] == "image-gateway"
    arguments = words[len(settings) + 1 :]
    good = run(ROOT, *arguments, **settings)
    assert (good.returncode, good.stderr) == (0, "")
    bare = run(ROOT, *arguments)
    faults = bare.stderr.splitlines()
    assert (bare.returncode, len(faults) - 1) == (2, len(settings))
    assert all("_file: the file cannot be read" in fault for fault in faults[:-1])


# What the operator's PrometheusRule has in a group and in a rule; it takes nothing else.
GROUP = {"name", "interval", "limit", "query_offset", "partial_response_strategy", "rules"}
RULE = {"record", "alert", "expr", "for", "keep_firing_for", "labels", "annotations"}


def applied(block: str, folder: Path) -> list[Any]:
    """The objects that a block hands to kubectl, which is another program here."""
    kubectl, given = folder / "kubectl", folder / "given"
    kubectl.write_text(f'#!/bin/sh\ncase $* in *"-f -") cat >> {shlex.quote(str(given))} ;; esac\n')
    kubectl.chmod(0o755)
    subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block],
        cwd=ROOT,
        env={**environment(), "PATH": f"{folder}:{os.environ['PATH']}"},
        check=True,
        timeout=60,
    )
    return list(yaml.safe_load_all(given.read_text("utf-8")))


def test_the_rules_become_objects_of_prometheus_operator(tmp_path: Path) -> None:
    (block,) = [block for block in blocks("console") if "PrometheusRule" in block]
    made = applied(block, tmp_path)
    monitor = rendered(FOLDER, components=("prometheus-operator",)).one("ServiceMonitor")
    assert {(one["apiVersion"], one["kind"]) for one in made} == {
        (monitor["apiVersion"], "PrometheusRule")
    }
    files = {one["metadata"]["name"].removeprefix("image-gateway-"): one["spec"] for one in made}
    assert files == {
        name: yaml.safe_load((ROOT / f"grafana/prometheus/{name}.yml").read_text("utf-8"))
        for name in ("objectives", "alerts")
    }
    for spec in files.values():
        assert set(spec) == {"groups"}
        assert {name for group in spec["groups"] for name in group} <= GROUP
        rules = [rule for group in spec["groups"] for rule in group["rules"]]
        assert {name for rule in rules for name in rule} <= RULE
    (labelled,) = [words for words in COMMANDS if "prometheusrules" in words]
    assert {f"image-gateway-{name}" for name in files} <= set(labelled)


def test_the_maps_are_not_too_large() -> None:
    made = [words for words in COMMANDS if "configmap" in words and "create" in words]
    assert len(made) == 2
    for words in made:
        places = [ROOT / word.partition("=")[2] for word in words if word.startswith("--from-file")]
        found = [
            one for place in places for one in (place.glob("*") if place.is_dir() else [place])
        ]
        assert 0 < sum(one.stat().st_size for one in found) < 2**20  # of Kubernetes
