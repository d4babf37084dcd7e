"""Every family of metrics on a registry, and the one observer that counts what is told.

Owns: which series there are, and that there are never more: a label says what is known beforehand,
or ``other``. Must not know: what an event counts as (``counts.py``), what gauges are set from
(``gauges.py``), how a scrape is answered. What each family means is in ``docs/metrics.md``.
"""

import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from prometheus_client import CollectorRegistry as Registry
from prometheus_client import disable_created_metrics

from gateway import __version__
from gateway.ops.counts import Reader, RequestCounts, ServiceCounts, TaskCounts
from gateway.ops.families import FAMILIES, OTHER, REQUESTS, VALUES, Family
from gateway.ops.series import (
    Counters,
    Gauges,
    Histograms,
    counters,
    gauges,
    histograms,
)

__all__ = ["Metrics", "Names", "Registry"]

MOST_KEYS = 200

_PAIRS = frozenset(REQUESTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """What the configuration calls things: what labels say that no table can know."""

    upstream: str
    models: tuple[str, ...]
    keys: tuple[str, ...]


class Metrics:
    """The families, all on ``registry``, each series of them at zero from the start.

    Those of sparse families come and go with what they are set to (``Labelled.keep``).

    ``observe`` may be called from any thread, and costs microseconds.
    """

    def __init__(self, registry: Registry, names: Names) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # theirs; a series more for each
        self.registry = registry
        self._upstream = names.upstream
        self._models: tuple[str, ...] = ()
        self._keys: tuple[str, ...] = ()
        self._told: dict[str, float] = {}
        self._counters: dict[str, Counters] = {}
        self._gauges: dict[str, Gauges] = {}
        self._histograms: dict[str, Histograms] = {}
        for family in FAMILIES:
            self._make(family)
        self.extend(names.models, names.keys)
        self["build_info"].at(__version__, platform.python_version()).set(1)
        self.lag = self._histograms["event_loop_lag_seconds"].at()
        self._readers: Mapping[type, Reader] = {
            **RequestCounts(self._counters, self._histograms).readers,
            **TaskCounts(self._counters, self._histograms, names.upstream).readers,
            **ServiceCounts(self._counters, self._histograms, names.upstream).readers,
        }

    @property
    def families(self) -> tuple[Counters | Gauges | Histograms, ...]:
        """All of them, in the table's order."""
        kept: Mapping[str, Counters | Gauges | Histograms] = {
            **self._counters,
            **self._gauges,
            **self._histograms,
        }
        return tuple(kept[family.name] for family in FAMILIES)

    @property
    def keys(self) -> tuple[str, ...]:
        """What the label ``key`` may say."""
        return (*self._keys, OTHER)

    def __getitem__(self, name: str) -> Gauges:
        """A gauge by its name without the prefix, for who sets it."""
        return self._gauges[name]

    def reach(self, name: str, total: float) -> None:
        """A counter without labels that somebody else keeps: it is so many by now, in all."""
        more = total - self._told.get(name, 0)
        if more > 0:
            self._told[name] = total
            self._counters[name].at().inc(more)

    def __repr__(self) -> str:
        return f"<Metrics families={len(FAMILIES)} label_sets={sum(map(len, self.families))}>"

    def extend(self, models: Iterable[str], keys: Iterable[str]) -> None:
        """There are these models and keys now. Those that went keep what was counted for them.

        Of more than 200 keys the later ones count as ``other``.
        """
        self._models = tuple(dict.fromkeys((*self._models, *models)))
        self._keys = tuple(dict.fromkeys((*self._keys, *keys)))[:MOST_KEYS]
        for kept in self.families:
            if kept.family.sparse:
                continue  # whoever sets it says which series it has
            requests = kept.family.labels[:2] == ("route", "method")
            kept.open(self._known(kept.family), _is_asked if requests else None)

    def observe(self, event: object) -> None:
        """Count one event; of most kinds nothing is counted."""
        reader = self._readers.get(type(event))
        if reader is not None:
            reader(event)

    def _make(self, family: Family) -> None:
        match family.kind:
            case "counter":
                self._counters[family.name] = counters(family, self.registry)
            case "gauge":
                self._gauges[family.name] = gauges(family, self.registry)
            case "histogram":
                self._histograms[family.name] = histograms(family, self.registry)

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
