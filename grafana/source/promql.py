"""Queries put together from names, in the few forms that the dashboards ask in.

Owns: which series the chosen jobs and instances have, and that counters are asked for as rates.
Must not know: panels. Names are told as in ``gateway/ops/families.py``, without the prefix; those
that others expose (``up``, ``process_…``) and recorded ones (with a colon) as they are.
"""

import re

PREFIX = "image_gateway_"
RATE = "$__rate_interval"
RANGE = "$__range"

_JOBS = 'job=~"$job"'
_INSTANCES = f'{_JOBS}, instance=~"$instance"'
_KEYS = 'key=~"$key"'
_FOREIGN = re.compile(r"up|ALERTS(_FOR_STATE)?|(process|python|scrape)_\w+|\w+:\w+:\w+")
# These have no instance: rules have summed over them, or alerts may have.
_BY_JOB = re.compile(r"ALERTS\w*|job:.+")


def full(name: str) -> str:
    """As a series is called in Prometheus."""
    return name if _FOREIGN.fullmatch(name) else PREFIX + name


def of(name: str, where: str = "", over: str = "") -> str:
    """The chosen series of a name, each as it is; ``over`` a time, as functions take them."""
    chosen = [_JOBS if _BY_JOB.fullmatch(name) else _INSTANCES]
    if name.startswith("key_"):
        chosen.append(_KEYS)
    if where:
        chosen.append(where)
    return f"{full(name)}{{{', '.join(chosen)}}}" + (f"[{over}]" if over else "")


def fold(how: str, expression: str, by: str = "") -> str:
    """One value for each ``by``: their ``sum``, ``max`` or ``min``."""
    return f"{how} by ({by}) ({expression})" if by else f"{how}({expression})"


def total(name: str, by: str = "", where: str = "") -> str:
    """A gauge, summed over processes."""
    return fold("sum", of(name, where), by)


def most(name: str, by: str = "", where: str = "") -> str:
    """A gauge, where the largest tells: ages, states."""
    return fold("max", of(name, where), by)


def least(name: str, by: str = "", where: str = "") -> str:
    """A gauge, where the smallest tells: what is left of something."""
    return fold("min", of(name, where), by)


def first(number: int, expression: str) -> str:
    """The so many largest values, in their order."""
    return f"topk({number}, {expression})"


def rate(name: str, by: str = "", where: str = "") -> str:
    """A counter, per second."""
    return fold("sum", f"rate({of(name, where, RATE)})", by)


def gain(name: str, by: str = "", where: str = "", over: str = RANGE) -> str:
    """By how much a counter rose in all that time."""
    return fold("sum", f"increase({of(name, where, over)})", by)


def quantile(share: float, name: str, by: str = "", where: str = "") -> str:
    """A quantile of a histogram; nothing where nothing happened."""
    buckets = rate(f"{name}_bucket", f"le, {by}" if by else "le", where)
    return f"histogram_quantile({share:g}, {buckets}) >= 0"


def mean(name: str, by: str = "", where: str = "") -> str:
    """A histogram's mean; nothing where nothing happened."""
    return ratio(rate(f"{name}_sum", by, where), rate(f"{name}_count", by, where))


def ratio(part: str, whole: str) -> str:
    """A part of a whole; nothing where there is no whole."""
    return f"{part} / ({whole} > 0)"
