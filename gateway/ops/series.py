"""Time series: values that any thread may change, and the lines a scrape reads them as.

Owns: counters, gauges and histograms of closed sets of labels, and their text in both formats. Must
not know: which families there are, who counts. The library's own instruments make objects for each
sample of a scrape: of the gateway's thousands of series that holds the interpreter for tens of
milliseconds, and the loop with it (``./run bench metrics``). Here what of a line never changes is
made once. ``collect`` speaks the library's protocol, so that they stand on its registry; the text
is byte for byte what the library would write of it.
"""

import math
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import product
from threading import Lock
from typing import Generic, TypeVar

from prometheus_client.core import (
    CounterMetricFamily,
    Exemplar,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.utils import floatToGoString

from gateway.ops.families import OTHER, Family

_TOTAL = "_total"
_Bucket = tuple[str, float] | tuple[str, float, Exemplar]


class Value:
    """One series of a counter or gauge. ``scale`` of its own units are one of those told."""

    __slots__ = ("_head", "_lock", "_scale", "_value")

    def __init__(self, head: str, scale: int = 1) -> None:
        self._head = head
        self._scale = scale
        self._lock = Lock()
        self._value: float = 0

    def add(self, amount: float = 1) -> None:
        """Count so many more."""
        with self._lock:
            self._value += amount

    def set(self, value: float) -> None:
        """It is this now; of a counter that somebody else keeps, so many in all."""
        self._value = value

    def get(self) -> float:
        """What it is now, as it is told."""
        return self._value / self._scale if self._scale > 1 else self._value

    def write(self, lines: list[str]) -> None:
        """Add its line."""
        lines.append(f"{self._head} {number(self.get())}\n")


class Distribution:
    """One label set of a histogram: how many observations fell into which bucket."""

    __slots__ = ("_bounds", "_counts", "_exemplars", "_heads", "_lock", "_sum")

    def __init__(self, bounds: Sequence[float], heads: Sequence[str]) -> None:
        self._bounds = bounds
        self._heads = heads
        self._counts = [0] * (len(bounds) + 1)
        self._exemplars: list[Exemplar | None] = [None] * (len(bounds) + 1)
        self._sum = 0.0
        self._lock = Lock()

    def observe(self, amount: float) -> None:
        """Count one observation."""
        place = bisect_left(self._bounds, amount)
        with self._lock:
            self._counts[place] += 1
            self._sum += amount

    def observe_of(self, amount: float, exemplar: Mapping[str, str], at: float) -> None:
        """Count one, which is shown as an example of its bucket until the next; ``at`` is when."""
        self.observe(amount)
        shown = Exemplar(dict(exemplar), amount, at)
        self._exemplars[bisect_left(self._bounds, amount)] = shown

    def get(self) -> tuple[list[int], float, list[Exemplar | None]]:
        """Counts up to each bound (the last: all), the sum, and each bucket's exemplar."""
        with self._lock:
            counts, total, exemplars = self._counts[:], self._sum, self._exemplars[:]
        for place in range(1, len(counts)):
            counts[place] += counts[place - 1]
        return counts, total, exemplars

    def write(self, lines: list[str], *, exemplars: bool) -> None:
        """Add its lines."""
        counts, total, found = self.get()
        *heads, count_head, sum_head = self._heads
        for head, count, exemplar in zip(heads, counts, found, strict=True):
            shown = _shown(exemplar) if exemplars and exemplar is not None else ""
            lines.append(f"{head} {number(count)}{shown}\n")
        lines.append(f"{count_head} {number(counts[-1])}\n{sum_head} {number(total)}\n")


C = TypeVar("C", Value, Distribution)


class _Kept(Generic[C]):
    """A family and its series: one for each combination of what its labels may say."""

    def __init__(self, family: Family, make: Callable[[Mapping[str, str]], C]) -> None:
        self.family = family
        self._make: Callable[[Mapping[str, str]], C] = make
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
                self._series[values] = self._make(
                    dict(zip(self.family.labels, values, strict=True))
                )
        self._known = sets

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

    def each(self) -> list[tuple[tuple[str, ...], C]]:
        """The series with what their labels say, as of now."""
        return list(self._series.items())

    def __len__(self) -> int:
        return len(self._series)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.family.full_name} series={len(self)}>"


class Values(_Kept[Value]):
    """A counter or a gauge; ``scale`` as of its series."""

    def __init__(self, family: Family, scale: int = 1) -> None:
        name = family.full_name
        super().__init__(family, lambda labels: Value(_head(name, labels), scale))

    def text(self, *, openmetrics: bool) -> str:
        """All of it, as a scrape shows it."""
        lines = [_preamble(self.family, openmetrics=openmetrics)]
        for _, series in self.each():
            series.write(lines)
        return "".join(lines)

    def collect(self) -> Iterable[Metric]:
        """The same for the library's registry."""
        family = self.family
        kind = CounterMetricFamily if family.kind == "counter" else GaugeMetricFamily
        told = kind(family.full_name, family.help, labels=family.labels)
        for values, series in self.each():
            told.add_metric(values, series.get())
        return [told]

    def describe(self) -> Iterable[Metric]:
        """Under which names it stands on a registry."""
        return self.collect()


class Histograms(_Kept[Distribution]):
    """A histogram."""

    def __init__(self, family: Family) -> None:
        bounds = family.buckets
        self._told = [number(bound) for bound in (*bounds, math.inf)]
        super().__init__(family, lambda labels: Distribution(bounds, self._heads(labels)))

    def _heads(self, labels: Mapping[str, str]) -> list[str]:
        name = self.family.full_name
        buckets = [_head(f"{name}_bucket", {**labels, "le": bound}) for bound in self._told]
        return [*buckets, _head(f"{name}_count", labels), _head(f"{name}_sum", labels)]

    def text(self, *, openmetrics: bool) -> str:
        """All of it, as a scrape shows it; exemplars in OpenMetrics alone."""
        lines = [_preamble(self.family, openmetrics=openmetrics)]
        for _, series in self.each():
            series.write(lines, exemplars=openmetrics)
        return "".join(lines)

    def collect(self) -> Iterable[Metric]:
        """The same for the library's registry."""
        family = self.family
        told = HistogramMetricFamily(family.full_name, family.help, labels=family.labels)
        for values, series in self.each():
            counts, total, exemplars = series.get()
            buckets: list[_Bucket] = [
                (bound, count) if exemplar is None else (bound, count, exemplar)
                for bound, count, exemplar in zip(self._told, counts, exemplars, strict=True)
            ]
            told.add_metric(values, buckets=buckets, sum_value=total)
        return [told]

    def describe(self) -> Iterable[Metric]:
        """Under which names it stands on a registry."""
        return self.collect()


def number(value: float) -> str:
    """A number as Go writes it; most are zero."""
    return str(floatToGoString(value)) if value else "0.0"  # type: ignore[no-untyped-call]  # theirs


def _preamble(family: Family, *, openmetrics: bool) -> str:
    name = family.full_name
    if openmetrics and family.kind == "counter":
        name = name.removesuffix(_TOTAL)
    told = _escaped(family.help, quoted=openmetrics)
    return f"# HELP {name} {told}\n# TYPE {name} {family.kind}\n"


def _head(name: str, labels: Mapping[str, str]) -> str:
    """What a line begins with, its labels in alphabetical order."""
    if not labels:
        return name
    told = ",".join(f'{label}="{_escaped(labels[label], quoted=True)}"' for label in sorted(labels))
    return f"{name}{{{told}}}"


def _escaped(text: str, *, quoted: bool = False) -> str:
    text = text.replace("\\", r"\\").replace("\n", r"\n")
    return text.replace('"', r"\"") if quoted else text


def _shown(exemplar: Exemplar) -> str:
    told = _head("", exemplar.labels)
    return f" # {told} {number(exemplar.value)} {exemplar.timestamp}"
