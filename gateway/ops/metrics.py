"""Every family of metrics on a registry, and the one observer that counts what is told.

Owns: which series there are, and that there are never more: a label says what is known beforehand,
or ``other``. Must not know: what an event counts as (``counts.py``), what gauges are set from
(``gauges.py``), how a scrape is answered. What each family means is in ``docs/metrics.md``.
"""

import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from prometheus_client import CollectorRegistry as Registry

from gateway import __version__
from gateway.clock import Clock
from gateway.ops.counts import Reader, RequestCounts, ServiceCounts, TaskCounts
from gateway.ops.families import FAMILIES, OTHER, REQUESTS, VALUES, Family
from gateway.ops.series import Histograms, Values

__all__ = ["Metrics", "Names", "Registry"]

MOST_KEYS = 200

_MICRO = 1_000_000
_PAIRS = frozenset(REQUESTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """What the configuration calls things: what labels say that no table can know."""

    upstream: str
    models: tuple[str, ...]
    keys: tuple[str, ...]


class Metrics:
    """The families, all on ``registry``, each series of them at zero from the start.

    ``observe`` may be called from any thread, and costs microseconds.
    """

    def __init__(self, registry: Registry, names: Names, clock: Clock) -> None:
        self._upstream = names.upstream
        self._models: tuple[str, ...] = ()
        self._keys: tuple[str, ...] = ()
        self._values: dict[str, Values] = {}
        self._histograms: dict[str, Histograms] = {}
        for family in FAMILIES:
            registry.register(self._made(family))
        self.extend(names.models, names.keys)
        self["build_info"].at(__version__, platform.python_version()).set(1)
        self.lag = self._histograms["event_loop_lag_seconds"].at()
        self._readers: Mapping[type, Reader] = {
            **RequestCounts(self._values, self._histograms, clock).readers,
            **TaskCounts(self._values, self._histograms, names.upstream).readers,
            **ServiceCounts(self._values, self._histograms, names.upstream).readers,
        }

    @property
    def families(self) -> tuple[Values | Histograms, ...]:
        """All of them, in the table's order."""
        kept: Mapping[str, Values | Histograms] = {**self._values, **self._histograms}
        return tuple(kept[family.name] for family in FAMILIES)

    @property
    def keys(self) -> tuple[str, ...]:
        """What the label ``key`` may say."""
        return (*self._keys, OTHER)

    def __getitem__(self, name: str) -> Values:
        """A counter or gauge by its name without the prefix, for who sets it."""
        return self._values[name]

    def __repr__(self) -> str:
        return f"<Metrics families={len(FAMILIES)} label_sets={sum(map(len, self.families))}>"

    def extend(self, models: Iterable[str], keys: Iterable[str]) -> None:
        """There are these models and keys now. Those that went keep what was counted for them.

        Of more than 200 keys the later ones count as ``other``.
        """
        self._models = tuple(dict.fromkeys((*self._models, *models)))
        self._keys = tuple(dict.fromkeys((*self._keys, *keys)))[:MOST_KEYS]
        for kept in self.families:
            requests = kept.family.labels[:2] == ("route", "method")
            kept.open(self._known(kept.family), _is_asked if requests else None)

    def observe(self, event: object) -> None:
        """Count one event; of most kinds nothing is counted."""
        reader = self._readers.get(type(event))
        if reader is not None:
            reader(event)

    def _made(self, family: Family) -> Values | Histograms:
        if family.kind == "histogram":
            made = self._histograms[family.name] = Histograms(family)
            return made
        money = family.kind == "counter" and "_usd_" in family.name
        kept = self._values[family.name] = Values(family, scale=_MICRO if money else 1)
        return kept

    def _known(self, family: Family) -> Mapping[str, Sequence[str]]:
        return {
            **VALUES,
            "upstream": (self._upstream,),
            "model": (*self._models, OTHER),
            "key": self.keys,
            "version": (__version__,),
            "python": (platform.python_version(),),
            **(family.own or {}),
        }


def _is_asked(values: tuple[str, ...]) -> bool:
    return values[:2] in _PAIRS
