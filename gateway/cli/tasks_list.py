"""``tasks list``: which jobs there are, and which need a look.

Owns: the counts and the table, as text and as JSON. Must not know: how a ledger is read.
"""

import json
from collections.abc import Iterator, Mapping

import click

from gateway.cli.ledger import looking
from gateway.cli.options import config_option
from gateway.cli.outlines import LOUD, fate, plain_job, state_word
from gateway.cli.telling import counted, duration, loud, money, table
from gateway.clock import SystemClock
from gateway.events import State
from gateway.state.reading import UNCLAIMED, WORDS
from gateway.state.records import Counts, JobRecord

_HEAD = ("JOB", "AGE", "KEY", "MODEL", "N", "STATE", "VENDOR'S ID", "COST", "DELIVERED")


def _words(context: click.Context, option: click.Parameter, text: str) -> frozenset[str]:
    words = frozenset(word.strip().lower() for word in text.split(",") if word.strip())
    if unknown := words.difference(WORDS):
        message = f"no state {', '.join(sorted(unknown))}; there are {', '.join(WORDS)}"
        raise click.BadParameter(message, context, option)
    return words


@click.command()
@config_option
@click.option(
    "--state",
    "words",
    default="",
    metavar="WORD,…",
    callback=_words,
    help=f"Only jobs with a task in one of these states: {', '.join(WORDS)}.",
)
@click.option(
    "--limit", default=50, show_default=True, type=click.IntRange(1), help="At most so many jobs."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
def command(path: str | None, words: frozenset[str], limit: int, *, as_json: bool) -> None:
    """List jobs, the newest first, and count what needs a look.

    Uncertain: a create's answer was lost, it is being looked up. Lost: it was not found, and may
    be bought all the same. Unclaimed: made and kept, but nobody has had it.
    """
    now = SystemClock().wall()
    with looking(path) as (_, reading):
        counts = reading.counts(now)
        jobs = reading.jobs(words, limit)
    if as_json:
        click.echo(json.dumps(_plain(counts, jobs, now), indent=2))
        return
    click.echo(_counted(counts))
    if jobs:
        rows = (row for job in jobs for row in _rows(job, now))
        click.echo(f"\n{table(_HEAD, rows)}")
    if len(jobs) == limit:
        click.echo(f"\nthe newest {limit}; more with --limit")


def _counted(counts: Counts) -> str:
    """One line: what needs a look first."""
    tasks = sum(counts.tasks.values())
    needy = [state for state in LOUD if counts.tasks.get(state)]
    told = [loud(f"{state.upper()} {counts.tasks[state]:,}") for state in needy]
    if counts.unclaimed:
        gone = f" ({counts.expired:,} expired)" if counts.expired else ""
        told.append(loud(f"{UNCLAIMED.upper()} {counted(counts.unclaimed, 'job')}") + gone)
    told += [
        f"{state.value} {number:,}" for state, number in counts.tasks.items() if state not in LOUD
    ]
    head = f"{counted(counts.jobs, 'job')}, {counted(tasks, 'task')}"
    return f"{head}: {' · '.join(told)}" if told else head


def _rows(job: JobRecord, now: float) -> Iterator[tuple[str, ...]]:
    """A line for each task, the first with what is the job's."""
    first = (
        job.job_id,
        duration(now - job.created_at),
        job.key_name,
        job.plan.model or job.plan.requested_model or "",
        str(job.plan.n or ""),
    )
    for place, task in enumerate(job.tasks):
        shown = first if place == 0 else ("",) * len(first)
        had = fate(job, now, task)
        yield (*shown, state_word(task), task.upstream_id or "", money([task.cost_usd]), had)


def _plain(counts: Counts, jobs: tuple[JobRecord, ...], now: float) -> Mapping[str, object]:
    return {
        "counts": {
            "jobs": counts.jobs,
            "unfinished": counts.unfinished,
            "unclaimed": counts.unclaimed,
            "expired": counts.expired,
            "tasks": {state.value: counts.tasks.get(state, 0) for state in State},
        },
        "jobs": [plain_job(job, now) for job in jobs],
    }
