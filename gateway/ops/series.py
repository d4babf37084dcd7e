"""Time series of closed sets of labels: the library's instruments, all series there from the start.

Owns: which label sets a family has, and what an unknown value counts as. Must not know: which
families there are, who counts, how they are told.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import product
from typing import Generic, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from gateway.ops.families import OTHER, Family

C = TypeVar("C", Counter, Gauge, Histogram)


class Labelled(Generic[C]):
    """A family on a registry: one series for each combination of what its labels may say."""

    def __init__(self, family: Family, instrument: C) -> None:
        self.family = family
        self._instrument: C = instrument
        self._series: dict[tuple[str, ...], C] = {}
        self._known: tuple[Sequence[str], ...] = ()

    def open(
        self,
        known: Mapping[str, Sequence[str]],
        exists: Callable[[tuple[str, ...]], bool] | None = None,
    ) -> None:
        """Begin what is not there yet, at zero; what is there stays, come what may.

        ``known`` has what each label may say, ``exists`` which combinations there can be.
        """
        sets = tuple(known[label] for label in self.family.labels)
        for values in product(*sets):
            if values not in self._series and (exists is None or exists(values)):
                one = self._instrument
                self._series[values] = one.labels(*values) if values else one
        self._known = sets

    def keep(self, wanted: Collection[tuple[str, ...]]) -> None:
        """Have these series and no others; what is not there yet begins at zero."""
        for values in self._series.keys() - wanted:
            del self._series[values]
            self._instrument.remove(*values)
        for values in wanted:
            if values not in self._series:
                self._series[values] = self._instrument.labels(*values)

    def at(self, *values: str) -> C:
        """The series of these labels.

        There are none but those that were opened: an unknown value counts as ``other``, or where
        its set has none, as the first.
        """
        series = self._series.get(values)
        if series is not None:
            return series
        nearest = (
            value if value in known else OTHER if OTHER in known else known[0]
            for value, known in zip(values, self._known, strict=True)
        )
        return self._series[tuple(nearest)]

    def __len__(self) -> int:
        return len(self._series)

    def __repr__(self) -> str:
        return f"<Labelled {self.family.full_name} series={len(self)}>"


Counters = Labelled[Counter]
Gauges = Labelled[Gauge]
Histograms = Labelled[Histogram]


def counters(family: Family, registry: CollectorRegistry) -> Counters:
    """A family of counters on ``registry``, without series yet."""
    made = Counter(family.full_name, family.help, family.labels, registry=registry)
    return Labelled(family, made)


def gauges(family: Family, registry: CollectorRegistry) -> Gauges:
    """A family of gauges."""
    made = Gauge(family.full_name, family.help, family.labels, registry=registry)
    return Labelled(family, made)


def histograms(family: Family, registry: CollectorRegistry) -> Histograms:
    """A family of histograms."""
    buckets = family.buckets
    made = Histogram(
        family.full_name, family.help, family.labels, registry=registry, buckets=buckets
    )
    return Labelled(family, made)
