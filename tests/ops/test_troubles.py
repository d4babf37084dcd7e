"""What stands at the top of the console."""

from dataclasses import replace

import pytest

from gateway.events import State
from gateway.ops.snapshot import Snapshot
from gateway.ops.troubles import troubles
from tests.ops.views import IDLE, job, task, with_figures, with_jobs, with_queue, with_vendor


def keys_of(snapshot: Snapshot) -> list[str]:
    return [one.key for one in troubles(snapshot)]


def test_a_gateway_that_is_well_has_none() -> None:
    assert troubles(IDLE) == []


@pytest.mark.parametrize(
    ("snapshot", "key", "tone"),
    [
        (replace(IDLE, findings={"ledger": "disk full"}), "ready ledger", "bad"),
        (replace(IDLE, findings={"queue": "full"}), "ready queue", "bad"),
        (replace(IDLE, draining=True, findings={"draining": "stopping"}), "draining", "warn"),
        (replace(IDLE, config_good=False), "config", "bad"),
        (with_vendor(breaker="open"), "breaker", "bad"),
        (with_vendor(breaker="half_open"), "breaker", "warn"),
        (with_vendor(held=True), "held", "warn"),
        (with_vendor(oldest_task=723.0), "slow", "warn"),
        (with_vendor(balance=3.2), "balance", "warn"),
        (with_vendor(balance=0.0), "balance", "bad"),
        (with_figures(tasks={State.UNCERTAIN: 1}, oldest_uncertain=12.0), "uncertain", "bad"),
        (with_jobs(IDLE, job(1, task(State.UNCERTAIN))), "uncertain", "bad"),
        (with_figures(disk_free=900_000_000), "disk", "bad"),
        (with_figures(shelf_bytes=9_000_000_000), "shelf", "warn"),
        (with_queue(requests=900), "queue", "warn"),
        (replace(IDLE, connections={"clients": 9_000}), "connections", "warn"),
    ],
)
def test_trouble_is_told_with_what_to_do(snapshot: Snapshot, key: str, tone: str) -> None:
    (one,) = troubles(snapshot)
    assert (one.key, one.tone) == (key, tone)
    assert one.text
    assert one.do.endswith(".")


@pytest.mark.parametrize(
    "snapshot",
    [
        with_vendor(balance=None),
        with_vendor(balance=float("inf")),
        with_vendor(balance=float("nan")),
        with_vendor(oldest_task=723.0, longest_wait=900.0),  # so long a caller may wait here
        with_figures(disk_free=0, shelf_limit=0),  # not counted yet
        with_figures(tasks={State.LOST: 3}, unclaimed=5),  # of the past
        with_queue(requests=0, most_requests=0),
    ],
)
def test_what_is_not_known_or_long_past_is_no_trouble(snapshot: Snapshot) -> None:
    assert troubles(snapshot) == []


def test_the_bad_ones_come_first() -> None:
    snapshot = with_queue(with_vendor(breaker="open", held=True), requests=900)
    assert keys_of(snapshot) == ["breaker", "held", "queue"]
    snapshot = replace(with_vendor(held=True), config_good=False)
    assert keys_of(snapshot) == ["config", "held"]
