"""A scrape read back, with the reference client's own parsers."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric, Sample
from prometheus_client.openmetrics import parser as openmetrics_parser
from prometheus_client.parser import text_string_to_metric_families

from gateway.events import About
from gateway.facts import RequestEnded
from gateway.ops.families import FAMILIES, PREFIX, Family
from gateway.ops.metrics import Metrics, Names

NAMES = Names(upstream="toapis", models=("gpt-image-2",), keys=("studio", "batch"))
TWENTY = Names(
    upstream="toapis", models=("gpt-image-2",), keys=tuple(f"key-{one}" for one in range(20))
)
ABOUT = About(key_name="studio", model="gpt-image-2", tier="2k", quality="high", images=3)
ENDED = RequestEnded(
    request_id="req_1",
    method="POST",
    status=200,
    duration=40.0,
    sent=0,
    route="generations",
)


def ended(**changes: object) -> RequestEnded:
    return replace(ENDED, **changes)  # type: ignore[arg-type]


def counting(names: Names = NAMES) -> Metrics:
    """Metrics on a registry of their own."""
    return Metrics(CollectorRegistry(), names)


def read(page: bytes, *, openmetrics: bool = False) -> list[Metric]:
    """The families of a page. Raises: ValueError where it is not as it should be."""
    parse: Callable[[str], Iterable[Metric]] = (
        openmetrics_parser.text_string_to_metric_families
        if openmetrics
        else text_string_to_metric_families
    )
    return list(parse(page.decode()))


def samples(page: bytes, *, openmetrics: bool = False) -> list[Sample]:
    return [one for family in read(page, openmetrics=openmetrics) for one in family.samples]


def ours(metrics: Metrics) -> Mapping[str, float]:
    """The series as they stand, by short names: ``rejections_total{reason=auth}``.

    Of histograms counts and sums alone.
    """
    found: dict[str, float] = {}
    for metric in metrics.registry.collect():
        for sample in metric.samples:
            if not sample.name.endswith("_bucket"):
                found[short(sample.name, sample.labels)] = sample.value
    return found


def series(metrics: Metrics) -> int:
    """How many there are as Prometheus counts them: each bucket is one."""
    lines = generate_latest(metrics.registry).decode().splitlines()
    return sum(not line.startswith("#") for line in lines)


def short(name: str, labels: Mapping[str, str]) -> str:
    told = ",".join(f"{label}={labels[label]}" for label in sorted(labels))
    name = name.removeprefix(PREFIX)
    return f"{name}{{{told}}}" if told else name


def moved(metrics: Metrics, deed: Callable[[], object]) -> Mapping[str, float]:
    """By how much a deed moves which series."""
    before = ours(metrics)
    deed()
    after = ours(metrics)
    assert after.keys() == before.keys()
    return {
        name: round(after[name] - before[name], 9) for name in after if after[name] != before[name]
    }


def families_of(series: Iterable[str], families: Iterable[Family] = FAMILIES) -> set[str]:
    """Which families short names of series belong to; a name of none is given back as it is."""
    known = {family.name for family in families}
    found = set()
    for one in series:
        name = one.partition("{")[0]
        whole = name.rpartition("_")[0] if name.endswith(("_count", "_sum")) else name
        found.add(whole if whole in known else name)
    return found
