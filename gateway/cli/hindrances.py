"""Why ``serve`` could not start, in words for an operator.

Owns: the line that says so, and which words each fault gets. Must not know: when it is told.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from gateway.config.addresses import ledger_path
from gateway.config.sections import Config
from gateway.errors import GatewayError, LedgerUnavailable
from gateway.server.sockets import ListenError
from gateway.state.base import LedgerFault
from gateway.state.refusals import unopened


@dataclass(frozen=True, slots=True, kw_only=True)
class StartFailed:
    """The process ends before it served anybody: why, and what may be done about it."""

    level: ClassVar[str] = "error"

    reason: str
    advice: str = ""


def hindrance(fault: OSError | GatewayError | LedgerFault, config: Config) -> StartFailed:
    """Put into words what was raised while the gateway started."""
    if isinstance(fault, LedgerUnavailable):
        fault = _unread(fault, config)
    if isinstance(fault, LedgerFault):
        return StartFailed(reason=f"ledger: {fault.message}", advice=fault.advice)
    if isinstance(fault, ListenError | GatewayError):
        return StartFailed(reason=str(fault))
    return _refused(fault, config)


def _unread(fault: LedgerUnavailable, config: Config) -> LedgerFault | LedgerUnavailable:
    """What SQLite said when the ledger, once it was open, was asked what it holds."""
    place = ledger_path(config.state.url)
    if place is None or not isinstance(fault.__cause__, Exception):
        return fault
    return unopened(Path(place).resolve(), fault.__cause__)


def _refused(fault: OSError, config: Config) -> StartFailed:
    """What the system refused; the path is named where it says which one it was."""
    said = fault.strerror or str(fault) or type(fault).__name__
    if fault.filename is None:
        return StartFailed(reason=f"the system refused something at the start: {said}")
    path = Path(str(fault.filename))
    if not path.is_relative_to(Path(config.images.folder).absolute()):
        return StartFailed(reason=f"{path}: {said}")
    return StartFailed(
        reason=f"folder: {path} cannot be used: {said}",
        advice="Give the gateway's user the right to read and write it, or move it out of "
        "images.folder.",
    )
