"""``./run dashboards --show``: every panel's values, every alert's tests, every renamed family.

Owns: the report for people, from one run of everything. Exits with 1 if anything in it is wrong.
"""

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from gateway.ops.families import FAMILIES
from tests.grafana.alarms import alerts, groups, shown, unit_tests_of
from tests.grafana.boards import targets
from tests.grafana.live import Live, faults, last, live
from tests.grafana.load import STILL
from tests.grafana.mutations import mutated


def main() -> int:
    """Run it all, and say what came of it."""
    with tempfile.TemporaryDirectory(prefix="dashboards-") as folder, live(Path(folder)) as run:
        wrong = [
            *_told("Panels: series, and their last values", _panels(run)),
            *_told("Families: how many of their series were seen to move", _families(run)),
            *_told(
                "Families, renamed: of the queries that name one, how many break", _renamed(run)
            ),
        ]
        folders = Path(folder)
        wrong += _told("Alerts: in which unit tests they fire, in which they are silent", _alerts())
        for group in groups():
            unit_tests_of(group["name"], folders)  # raises what promtool says
    sys.stdout.write(f"\n{len(wrong)} wrong\n" + "".join(f"{line}\n" for line in wrong))
    return 1 if wrong else 0


Line = tuple[str, bool]


def _told(title: str, lines: Iterator[Line]) -> list[str]:
    sys.stdout.write(f"\n{title}\n\n")
    wrong = []
    for line, right in lines:
        sys.stdout.write(f"  {line}\n")
        if not right:
            wrong.append(line)
    return wrong


def _panels(run: Live) -> Iterator[Line]:
    for target in targets():
        values = run.values(target.query)
        ends = last(values)
        least, most = (f"{one:.6g}" for one in (min(ends, default=0), max(ends, default=0)))
        told = "nothing" if not ends else least if least == most else f"{least} … {most}"
        yield f"{target.where:<72} {len(values):>3}  {told}", not list(faults(values))


def _families(run: Live) -> Iterator[Line]:
    for family in FAMILIES:
        moving, among = run.moved(family)
        yield f"{family.full_name:<62} {moving:>3} of {among}", bool(moving or family.name in STILL)


def _renamed(run: Live) -> Iterator[Line]:
    for family in FAMILIES:
        mutation = mutated(run, family)
        yield str(mutation), bool(mutation.noticed) and not mutation.missed


def _alerts() -> Iterator[Line]:
    for alert in alerts():
        told = shown()[alert.name, alert.window]
        severity = alert.labels["severity"]
        yield f"{alert!s:<28} {severity}", bool(told.fires and told.silent)
        for word, tests in (("fires", told.fires), ("silent", told.silent)):
            for test in tests[:1]:
                yield f"    {word:<6} {test}", True
            if len(tests) > 1:
                yield f"           and in {len(tests) - 1} more", True


if __name__ == "__main__":
    sys.exit(main())
