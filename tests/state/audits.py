"""Whether a ledger's sums are those of its rows, by a reckoning of its own."""

import contextlib
import sqlite3
from collections import Counter
from pathlib import Path
from typing import Any

Sums = Counter[tuple[str, int, str]]

# A task was given back if its row says so: it ended without a purchase, and nothing was charged.
_ROWS = """
    SELECT key_name, day, state, reserved, charged, json_extract(plan, '$.tasks[' || place || '].n')
    FROM tasks JOIN jobs USING (job_id) WHERE day IS NOT NULL
"""


def told(path: Path, question: str) -> list[tuple[Any, ...]]:
    """What a stranger reads in the file."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return connection.execute(question).fetchall()


def sums_of_rows(path: Path) -> Sums:
    """Pictures and micro-dollars by key and day, as the tasks have them."""
    sums: Sums = Counter()
    for key, day, state, reserved, charged, images in told(path, _ROWS):
        if state not in {"refused", "dropped"} or charged is None:
            sums[key, day, "images"] += images
        sums[key, day, "cost"] += reserved if charged is None else charged
    return +sums


def sums_in_books(path: Path) -> Sums:
    """The same, as the books have it."""
    sums: Sums = Counter()
    for key, day, images, cost in told(path, "SELECT key_name, day, images, cost FROM spent"):
        assert min(images, cost) >= 0
        sums[key, day, "images"], sums[key, day, "cost"] = images, cost
    return +sums
