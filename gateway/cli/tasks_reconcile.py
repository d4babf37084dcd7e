"""``tasks reconcile``: whether the ledger says what the vendor says.

Owns: the command, the parts that ask the vendor, and the report as text and as JSON. Must not know:
what is a difference, in which order things are compared.
"""

import asyncio
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass

import click

from gateway.cli.asking import asking
from gateway.cli.comparing import Difference
from gateway.cli.enquiring import Enquiry
from gateway.cli.ledger import looking
from gateway.cli.options import EXIT_FAILED, config_option
from gateway.cli.purchases import purchases, unaccounted
from gateway.cli.reconciling import Reconciliation, Tally
from gateway.cli.telling import counted, duration, loud, moment, paragraph, plain
from gateway.clock import Clock, SystemClock
from gateway.config.sections import Upstream
from gateway.config.units import SECONDS
from gateway.state.marking import held
from gateway.state.reading import Reading
from gateway.upstream.governor import Governor
from gateway.upstream.toapis import Toapis
from gateway.web.clients import Outgoing

# Of the account's allowance; the rest is the running gateway's, which asks at the same time.
_SHARE = 0.5
# For this long the gateway may not ask about a task; less where its polling is scaled.
_PATIENCE = 15.0
_LISTED = 3
_INDENT = len("SERIOUS  ")


@dataclass(slots=True)
class Report:
    """What the comparison came to. ``sold`` are the simulator's purchases, where it is one."""

    since: float
    vendor: str
    tally: Tally
    differences: list[Difference]
    blind: int = 0
    sold: int | None = None

    @property
    def agree(self) -> bool:
        """Whether everything was compared and nothing differs."""
        return not self.differences and not self.tally.unasked


def _seconds(context: click.Context, option: click.Parameter, text: str) -> float:
    try:
        return float(str(SECONDS.read(text)))
    except ValueError as error:
        raise click.BadParameter(f"{error}", context, option) from None


@click.command()
@config_option
@click.option(
    "--since",
    "window",
    default="7d",
    show_default=True,
    metavar="TIME",
    callback=_seconds,
    help="How far back jobs are looked at, by when they began or ended; unfinished ones always.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
def command(path: str | None, window: float, *, as_json: bool) -> None:
    """Compare the ledger with the vendor, and tell every difference.

    Every task is asked about, by the vendor's id and by ours; nothing is changed or bought. Exits
    with 0 if everything was compared and nothing differs, with 1 if something does or the vendor
    could not be asked, with 2 if the configuration cannot be used.
    """
    clock = SystemClock()
    with looking(path) as (config, reading):
        tasks = reading.number_of_tasks(clock.wall() - window)
        if not as_json:
            click.echo(_beginning(config.upstream, tasks, clock.wall() - window))
        told = None if as_json else _tell
        report = asyncio.run(_report(config.upstream, reading, clock, window, told))
    if as_json:
        click.echo(json.dumps(_plain(report), indent=2))
    else:
        click.echo("\n".join(_ending(report)))
    sys.exit(0 if report.agree else EXIT_FAILED)


async def _report(
    upstream: Upstream,
    reading: Reading,
    clock: Clock,
    window: float,
    tell: Callable[[Difference], None] | None,
) -> Report:
    """Compare in both directions; differences are told as they are found."""
    outgoing = Outgoing(upstream)
    queries = Governor(
        upstream.submit_per_second, upstream.query_per_second * _SHARE, clock
    ).queries
    enquiry = Enquiry(Toapis(upstream, outgoing, clock), queries)
    patience = _PATIENCE * upstream.polling.scale if held(reading.path) else 0.0
    whole = Reconciliation(reading, enquiry, clock, patience)
    report = Report(clock.wall() - window, upstream.base_url, whole.tally, [])

    def found(difference: Difference) -> None:
        report.differences.append(difference)
        if tell is not None:
            tell(difference)

    try:
        async for difference in whole.differences(report.since):
            found(difference)
    finally:
        await outgoing.close()
    report.blind = enquiry.blind
    async with asking(upstream) as asker:
        sold = await purchases(upstream.base_url, asker, upstream.status_time)
    if sold is not None:
        report.sold = len(sold)
        for difference in _news(unaccounted(sold, reading), report.differences):
            found(difference)
    return report


def _news(found: Iterator[Difference], told: list[Difference]) -> Iterator[Difference]:
    """Differences that were not told from the other side already."""
    twice = {one.task_id for one in told if one.kind == "bought twice"}
    return (one for one in found if one.kind != "bought twice" or one.task_id not in twice)


def _beginning(upstream: Upstream, tasks: int, since: float) -> str:
    least = duration(tasks / (upstream.query_per_second * _SHARE))
    return (
        f"{counted(tasks, 'task')} since {moment(since)}, compared with {upstream.base_url}; "
        f"this takes {least} or more\n"
    )


def _tell(difference: Difference) -> None:
    grade = loud("SERIOUS") if difference.serious else "differs"
    names = [difference.task_id or difference.upstream_id, difference.job_id]
    click.echo(f"{grade}  {'  '.join(plain(name) for name in names if name)}")
    click.echo(paragraph(difference.message, _INDENT))
    click.echo(f"{paragraph(difference.advice, _INDENT)}\n")


def _ending(report: Report) -> Iterator[str]:
    """What it came to, and what could not be compared."""
    tally = report.tally
    for why in dict.fromkeys(why for _, why in tally.unasked):
        yield f"no answer  {_some([name for name, reason in tally.unasked if reason == why], why)}"
    if report.blind:
        yield (
            f"The vendor knows {counted(report.blind, 'task')} by its own id and not by ours: that "
            "it knows nothing of a lost or refused one proves nothing."
        )
    if tally.forgotten:
        yield f"{counted(tally.forgotten, 'task')} ended long ago and forgotten by the vendor."
    if tally.moved_on:
        yield f"{counted(tally.moved_on, 'task')} moved on meanwhile, and then agreed."
    if report.sold is not None:
        yield f"The vendor is the simulator and sold {counted(report.sold, 'task')} in all."
    yield _summary(report)


def _some(names: list[str], why: str) -> str:
    """How many tasks there is no answer about, why, and the first few by name."""
    more = ", …" if len(names) > _LISTED else ""
    listed = ", ".join(plain(name) for name in names[:_LISTED])
    return f"about {counted(len(names), 'task')}: {plain(why)} ({listed}{more})"


def _summary(report: Report) -> str:
    told = [f"{counted(report.tally.compared, 'task')} compared"]
    serious = sum(one.serious for one in report.differences)
    if serious:
        told.append(loud(counted(serious, "SERIOUS DIFFERENCE", "SERIOUS DIFFERENCES")))
    if others := len(report.differences) - serious:
        told.append(counted(others, "difference"))
    if report.tally.unasked:
        told.append(f"{counted(len(report.tally.unasked), 'task')} without an answer")
    if report.agree:
        told.append("nothing differs")
    return ", ".join(told)


def _plain(report: Report) -> dict[str, object]:
    tally = report.tally
    return {
        "agree": report.agree,
        "since": report.since,
        "vendor": report.vendor,
        "compared": tally.compared,
        "forgotten": tally.forgotten,
        "moved_on": tally.moved_on,
        "known_by_its_own_id_only": report.blind,
        "purchases": report.sold,
        "kinds": dict(Counter(one.kind for one in report.differences)),
        "differences": [asdict(one) for one in report.differences],
        "unasked": [{"task_id": task_id, "reason": why} for task_id, why in tally.unasked],
    }
