"""The other direction, where the vendor is the simulator: its own list of what was bought.

Owns: reading ``/control/purchases``, and which purchases a ledger does not have. Must not know: the
simulator's insides, how a difference is told. A real vendor has no such list.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus

from gateway.cli.comparing import Difference
from gateway.cli.findings import Asker
from gateway.cli.telling import plain
from gateway.errors import GatewayError
from gateway.state.reading import Reading

_CHUNK = 500
_ALL = 1_000_000


@dataclass(frozen=True, slots=True)
class Purchase:
    """One task that was bought: the vendor's id, ours if it was sent, and its state."""

    upstream_id: str
    task_id: str | None
    state: str


async def purchases(base_url: str, asker: Asker, seconds: float) -> tuple[Purchase, ...] | None:
    """All that a simulated vendor has sold; None where the vendor is not the simulator."""
    url = f"{base_url}/control/purchases?tasks={_ALL}"
    try:
        answer = await asker.get(url, {"accept": "application/json"}, seconds)
        body = json.loads(answer.body) if answer.status == HTTPStatus.OK else None
    except (OSError, GatewayError, ValueError, RecursionError):
        return None
    listed = body.get("tasks") if isinstance(body, dict) and "bought_twice" in body else None
    if not isinstance(listed, list):
        return None
    return tuple(
        Purchase(str(one.get("id")), one.get("client_business_id"), str(one.get("state")))
        for one in listed
        if isinstance(one, dict)
    )


def unaccounted(sold: tuple[Purchase, ...], reading: Reading) -> Iterator[Difference]:
    """Purchases of which the ledger has no row, and those beyond the first under one id."""
    first: dict[str, str] = {}
    for start in range(0, len(sold), _CHUNK):
        chunk = sold[start : start + _CHUNK]
        ids = [one.task_id for one in chunk if one.task_id is not None]
        known = {task.task_id: task.job_id for task in reading.these(ids)}
        for one in chunk:
            if one.task_id is None or one.task_id not in known:
                yield _stranger(one)
            elif one.task_id in first:
                yield _double(one, first[one.task_id], known[one.task_id])
            else:
                first[one.task_id] = one.upstream_id


def _stranger(one: Purchase) -> Difference:
    ours = f"under {plain(one.task_id)}" if one.task_id is not None else "without an id of ours"
    return Difference(
        kind="unknown purchase",
        task_id=one.task_id,
        job_id=None,
        upstream_id=one.upstream_id,
        ledger=None,
        vendor=one.state,
        message=f"The vendor sold {plain(one.upstream_id)} {ours}; the ledger has no such task.",
        advice="Does another gateway use this account? If not, this must not happen: keep the "
        "ledger and the log, and report it.",
        serious=True,
    )


def _double(one: Purchase, first: str, job_id: str) -> Difference:
    return Difference(
        kind="bought twice",
        task_id=one.task_id,
        job_id=job_id,
        upstream_id=one.upstream_id,
        ledger=None,
        vendor=one.state,
        message=f"The vendor sold {plain(first)} and {plain(one.upstream_id)} under this one id.",
        advice="Expected only where upstream.on_unknown is recreate. Else this must not happen: "
        "keep the ledger and the log, and report it.",
        serious=True,
    )
