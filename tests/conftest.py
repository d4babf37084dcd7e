"""In every run: what gateways say is kept, and searched for canaries at the end."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.outputs import OUTPUTS, Verdict

_VERDICT = pytest.StashKey[Verdict]()
_FOLDER = pytest.StashKey["tempfile.TemporaryDirectory[str]"]()


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


def pytest_sessionfinish(session: pytest.Session) -> None:
    session.config.stash[_VERDICT] = verdict = OUTPUTS.judge()
    session.config.stash[_FOLDER].cleanup()
    if verdict.hits and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    verdict = config.stash.get(_VERDICT, Verdict())
    for hit in verdict.hits:
        terminalreporter.write_line(f"CANARY {hit}", red=True)
    terminalreporter.write_line(str(verdict), red=bool(verdict.hits))
