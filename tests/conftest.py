"""In every run: what gateways say is kept, and searched for canaries at the end.

Where several processes share the tests, each searches its own, and one tells of all.
"""

import re
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, settings

from tests.outputs import OUTPUTS, Verdict
from tests.steady import SteadyLoop

_VERDICT = pytest.StashKey[Verdict]()
_FOLDER = pytest.StashKey["tempfile.TemporaryDirectory[str]"]()
_WORKERS = pytest.StashKey[Verdict]()
_FOUND = "canaries"
_HERE = Path(__file__).parent
_NOT_FOR_COVERAGE = frozenset({"clients", "deploy", "e2e", "faults", "grafana", "repo"})
_MADE = re.compile(r"sk-igw-\w{8}-[\w-]{43}|[0-9a-fA-F]{63}|\bid: [a-z0-9]{8}\b")


# How fast examples are made and tried says how busy the machine is, and nothing of what is tested.
# A folder of a test's own may serve all its examples.
settings.register_profile(
    "any machine",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("any machine")


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Processes that share the tests have to agree on their names: no key made anew is in one."""
    return argname if isinstance(val, str) and _MADE.search(val) else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Coverage is for what tests the gateway's parts.

    It slows tests down by half, and in what tries the whole in other ways it finds nothing more.
    """
    for item in items:
        folders = item.path.relative_to(_HERE).parts if item.path.is_relative_to(_HERE) else ()
        if folders and folders[0] in _NOT_FOR_COVERAGE:
            item.add_marker("no_cover")


def pytest_asyncio_loop_factories() -> dict[str, type[SteadyLoop]]:
    """What a busy machine takes from tests is not counted as time they waited."""
    return {"steady": SteadyLoop}


def pytest_sessionstart(session: pytest.Session) -> None:
    folder = tempfile.TemporaryDirectory(prefix="outputs-")
    session.config.stash[_FOLDER] = folder
    OUTPUTS.open(Path(folder.name))


@pytest.fixture(scope="session", autouse=True)
def _what_is_said_is_kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Logs of child processes lie below here; commands that are called rather than started, too."""
    OUTPUTS.look_below(tmp_path_factory.getbasetemp())
    invoke = CliRunner.invoke

    def kept(*arguments: object, **options: object) -> Result:
        result = invoke(*arguments, **options)  # type: ignore[arg-type]  # as they are
        OUTPUTS.keep("commands", result.output)
        return result

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(CliRunner, "invoke", kept)
        yield


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """One of several processes that share the tests has ended: what it found counts."""
    found = getattr(node, "workeroutput", {}).get(_FOUND)
    if found is not None:
        node.config.stash.setdefault(_WORKERS, Verdict()).add(Verdict.told(found))


def pytest_sessionfinish(session: pytest.Session) -> None:
    stash = session.config.stash
    stash[_VERDICT] = verdict = OUTPUTS.judge()
    verdict.add(stash.get(_WORKERS, Verdict()))
    stash[_FOLDER].cleanup()
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput[_FOUND] = asdict(verdict)
    if verdict.hits and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    verdict = config.stash.get(_VERDICT, Verdict())
    for hit in verdict.hits:
        terminalreporter.write_line(f"CANARY {hit}", red=True)
    terminalreporter.write_line(str(verdict), red=bool(verdict.hits))
