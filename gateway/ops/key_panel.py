"""What the console says of the keys: limits, and what is used of each.

Owns: which figures of a key are shown, and how. Must not know: what a limit does, where it is kept.
"""

from collections.abc import Mapping, Sequence

from gateway.ops.bars import ROWS, Value, Values, bar, more, unbounded
from gateway.ops.snapshot import KeyView
from gateway.ops.wording import ago, count, dollars, moment, span
from gateway.state.base import Room


def keys(views: Sequence[KeyView], now: float) -> Mapping[str, Value]:
    """The keys' panel; a key that is not admitted comes last."""
    shown = sorted(views, key=lambda view: view.state != "good")[:ROWS]
    spent = sum(view.standing.cost_today for view in views)
    month = sum(view.standing.cost_this_month for view in views)
    return {
        "rows": [_key(view, now) for view in shown],
        "choices": [{"key": view.name} for view in views if view.state == "good"],
        "more": more(len(views) - len(shown), "key"),
        "spent": dollars(spent),
        "month": f"{dollars(month)} this month",
    }


def _key(view: KeyView, now: float) -> Values:
    standing, last = view.standing, view.last_used
    return {
        "key": view.name,
        "name": view.name,
        "state": view.state,
        "tone": "" if view.state == "good" else "warn",
        "requests": _rate(standing.requests, view.requests_per_minute),
        "images": _rate(standing.images, view.images_per_minute),
        "under_way": _used(standing.under_way, view.concurrent),
        "today": _used(standing.images_today, view.images_per_day),
        "spent": _spent(standing.cost_today, view.cost_per_day),
        "month": _spent(standing.cost_this_month, view.cost_per_month),
        "last": "never" if last is None else ago(last, now),
        "exact": "" if last is None else moment(last),
    }


def _rate(room: Room | None, per_minute: int | None) -> Values:
    """A rate comes back evenly: used is what of the burst has not come back yet."""
    if room is None or per_minute is None:
        return unbounded("no limit")
    whole = f"{count(per_minute)} a minute; all is back in {span(room.seconds)}"
    return {**bar(room.burst - room.left, room.burst), "whole": whole}


def _used(used: int, limit: int | None) -> Values:
    return unbounded(count(used)) if limit is None else bar(used, limit)


def _spent(micro: int, limit: int | None) -> Values:
    if limit is None:
        return unbounded(dollars(micro))
    return bar(micro, limit, f"{dollars(micro)} of {dollars(limit)}")
