"""What is remembered of jobs, in one hand: ledger, journal, board, shelf, and the time.

Owns: nothing but the bundle, given to those who bring jobs back. Must not know: what they do.
"""

from dataclasses import dataclass

from gateway.clock import Clock
from gateway.images.shelf import Shelf
from gateway.jobs.board import Board
from gateway.jobs.journal import Journal
from gateway.state.base import Store


@dataclass(frozen=True, slots=True)
class Memory:
    """The places where a job may be found."""

    store: Store
    journal: Journal
    board: Board
    shelf: Shelf
    clock: Clock
