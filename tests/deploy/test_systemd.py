"""The units, judged by systemd itself."""

import re
import shutil
from pathlib import Path

import pytest

from tests.deploy.systemd import analyze, settings, unit
from tests.faults.debian import Missing, shared_object

MOST = 20  # tenths, of systemd's measure of exposure
# What every systemd has; a unit is verified against a root folder with nothing else in it.
TARGETS = ("sysinit", "basic", "shutdown", "sockets", "multi-user", "network-online")


def exposure(path: Path) -> tuple[int, float]:
    """Whether systemd is content, and with what."""
    done = analyze("security", "--offline=true", f"--threshold={MOST}", str(path))
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
    assert found is not None, done.stderr
    return done.returncode, float(found[1])


def verified(root: Path, service: str) -> str:
    """What systemd says of both units, installed as the page says, below this root."""
    folder = root / "etc/systemd/system"
    folder.mkdir(parents=True)
    for target in TARGETS:
        (folder / f"{target}.target").write_text("[Unit]\nDescription=of every systemd\n")
    for line in (value for name in ("ExecStartPre", "ExecStart", "ExecReload")
                 for value in settings("service")[name]):  # fmt: skip
        program = root / line.lstrip("+-@:!").split()[0].lstrip("/")
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)
    (folder / "image-gateway.service").write_text(service)
    shutil.copy(unit("socket"), folder)
    done = analyze("verify", f"--root={root}", "image-gateway.service", "image-gateway.socket")
    return done.stderr or ("" if done.returncode == 0 else f"ended with {done.returncode}")


def test_systemd_rates_the_service_as_hardly_exposed() -> None:
    code, level = exposure(unit("service"))
    assert (code, level * 10 <= MOST) == (0, True), level


def test_it_would_not_without_the_sandbox(tmp_path: Path) -> None:
    text = unit("service").read_text("utf-8")
    bare = tmp_path / "image-gateway.service"
    sandbox = ("System", "Protect", "Private", "Restrict", "Capability", "DynamicUser")
    lines = [line for line in text.splitlines() if not line.startswith(sandbox)]
    bare.write_text("\n".join(lines))
    code, level = exposure(bare)
    assert code != 0
    assert level * 10 > MOST


def test_systemd_understands_both_units_to_the_last_word(tmp_path: Path) -> None:
    assert verified(tmp_path, unit("service").read_text("utf-8")) == ""


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("PrivateTmp=yes", "PrivateTemp=yes"),
        ("ProtectSystem=strict", "ProtectSystem=strictly"),
        ("image-gateway.socket network-online.target", "image-gateway.socket network on line"),
    ],
)
def test_it_would_tell_a_word_that_it_does_not(tmp_path: Path, right: str, wrong: str) -> None:
    text = unit("service").read_text("utf-8")
    assert right in text
    assert verified(tmp_path, text.replace(right, wrong)) != ""


def test_programs_are_where_a_debian_has_them() -> None:
    """Those of the unit that are not our own."""
    first = settings("service")["ExecStartPre"][0].lstrip("+").split()[0]
    assert Path(first).is_file()
    assert Path(settings("service")["ExecReload"][1].split()[0]).is_file()


def test_a_library_that_a_package_does_not_have_is_a_loud_failure(tmp_path: Path) -> None:
    home = tmp_path / "libnone"
    home.mkdir()
    (home / ".done").touch()
    with pytest.raises(Missing, match="libnone has no"):
        shared_object("libnone", "libnone.so", tmp_path)
