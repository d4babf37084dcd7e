"""``tasks show``: one job, its pictures, and what happened, line by line.

Owns: the page, as text and as JSON. Must not know: how a ledger is read, what an event is in words.
"""

import dataclasses
import json
from collections.abc import Iterator

import click

from gateway.cli.ledger import exit_told, looking
from gateway.cli.options import config_option
from gateway.cli.outlines import fate, plain_job, state_word
from gateway.cli.pictures import Kept, kept
from gateway.cli.stories import sentence
from gateway.cli.telling import counted, duration, elapsed, moment, money, plain, size, table
from gateway.clock import SystemClock
from gateway.state.records import EventRecord, HookRecord, JobRecord

_TELLING = 6  # letters at the end of a task's id that tell it from others


@click.command()
@config_option
@click.argument("name", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
def command(path: str | None, name: str, *, as_json: bool) -> None:
    """Tell everything about one job, and its story.

    ID is the job's, a task's or the vendor's. Prompts are never shown.
    """
    now = SystemClock().wall()
    with looking(path) as (config, reading):
        job = reading.job(name)
        if job is None:
            exit_told(f"The ledger knows no job, task or vendor's id {plain(name)!r}.")
        story = reading.story(job.job_id)
        hooks = reading.hooks(job.job_id)
        pictures = kept(job, config.images)
    if as_json:
        told = {
            **_plain(job, pictures, story, now),
            "webhooks": [_plain_hook(one) for one in hooks],
        }
        click.echo(json.dumps(told, indent=2))
        return
    shown = (_tasks(job, now), _pictures(pictures, now), _hooks(hooks, now), _story(job, story))
    parts = (_outline(job, now), *shown)
    click.echo("\n\n".join(part for part in parts if part))


def _outline(job: JobRecord, now: float) -> str:
    lines = (f"  {name:<15}  {told}" for name, told in _facts(job, now))
    return "\n".join([f"{job.job_id}  {job.word}", *lines])


def _facts(job: JobRecord, now: float) -> Iterator[tuple[str, str]]:
    """What is known of the job as a whole."""
    since = duration(now - job.created_at)
    yield "asked", f"{moment(job.created_at)} ({since} ago) with the key {plain(job.key_name)}"
    if wanted := ", ".join(_wanted(job)):
        yield "for", wanted
    if job.idempotency_key is not None:
        yield "idempotency key", plain(job.idempotency_key)
    if job.ended_at is not None:
        yield "ended", f"after {elapsed(job.ended_at - job.created_at).removeprefix('+')}"
    if job.failure is not None:
        code = f" ({plain(job.failure.code)})" if job.failure.code else ""
        yield "failure", plain(job.failure.message or job.failure.kind) + code
    if had := fate(job, now):
        at = f", {moment(job.delivered_at)}" if job.delivered_at is not None else ""
        yield "pictures", had + at
    if cost := money(task.cost_usd for task in job.tasks):
        yield "cost", cost


def _wanted(job: JobRecord) -> Iterator[str]:
    plan = job.plan
    if plan.kind:
        yield plain(plan.kind)
    model = plan.model or plan.requested_model
    if model:
        asked = plan.requested_model if plan.requested_model != model else None
        yield plain(f"{model} (asked for as {asked})" if asked else model)
    if plan.n:
        yield counted(plan.n, "picture")
    if plan.tier:
        yield plain(plan.tier)
    if plan.quality:
        yield plain(f"quality {plan.quality}")
    if job.references:
        yield f"{counted(job.references, 'picture')} sent along"


def _tasks(job: JobRecord, now: float) -> str:
    head = ("TASK", "STATE", "VENDOR'S ID", "COST", "PICTURES", "")
    rows = (
        (
            task.task_id,
            state_word(task),
            task.upstream_id or "",
            money([task.cost_usd]),
            fate(job, now, task),
            "replaced by another task" if task.replaced else "",
        )
        for task in job.tasks
    )
    return table(head, rows)


def _pictures(pictures: tuple[Kept, ...], now: float) -> str:
    head = ("PICTURE", "PIXELS", "SIZE", "", "FILE")
    rows = (
        (
            str(one.number),
            f"{one.picture.width}x{one.picture.height}",
            size(one.picture.size),
            _whereabouts(one, now),
            str(one.path),
        )
        for one in pictures
    )
    return table(head, rows) if pictures else ""


def _whereabouts(one: Kept, now: float) -> str:
    """Whether a picture is still to be had, and how long."""
    if one.there:
        left = one.picture.expires_at - now
        return f"there, {duration(left)} left" if left > 0 else "there, to be deleted"
    return "expired" if one.picture.expires_at <= now else "GONE"


def _hooks(hooks: tuple[HookRecord, ...], now: float) -> str:
    """Who is told of the job's end; of an address only the host, for the rest may be a secret."""
    head = ("TO BE TOLD", "STATE", "ATTEMPTS", "LAST ANSWER")
    rows = (
        (plain(one.host), _standing(one, now), str(one.attempts), plain(one.answer or ""))
        for one in hooks
    )
    return table(head, rows) if hooks else ""


def _standing(hook: HookRecord, now: float) -> str:
    if hook.word != "due" or hook.due_at is None or hook.due_at <= now:
        return hook.word
    return f"due in {duration(hook.due_at - now)}"


def _plain_hook(hook: HookRecord) -> dict[str, object]:
    return {**dataclasses.asdict(hook), "state": hook.word}


def _story(job: JobRecord, story: tuple[EventRecord, ...]) -> str:
    # A job that was taken up again counts as asked for then, and has a story from before.
    begin = min([job.created_at, *(event.at for event in story[:1])])
    times = [elapsed(event.at - begin) for event in story]
    width = max(map(len, times), default=0)
    lines = [
        f"  {time:>{width}}  {_subject(event)}{sentence(event)}"
        for time, event in zip(times, story, strict=True)
    ]
    return "\n".join(["STORY", *lines]) if lines else ""


def _subject(event: EventRecord) -> str:
    if event.task_id is None:
        return ""
    return f"task …{plain(event.task_id)[-_TELLING:]}  "


def _plain(
    job: JobRecord, pictures: tuple[Kept, ...], story: tuple[EventRecord, ...], now: float
) -> dict[str, object]:
    failure = job.failure
    return {
        **plain_job(job, now),
        "idempotency_key": job.idempotency_key,
        "failure": failure
        and {
            "kind": failure.kind,
            "message": failure.message,
            "code": failure.code,
            "param": failure.param,
        },
        "pictures": [
            {
                "number": one.number,
                "task_id": one.picture.task_id,
                "path": str(one.path),
                "there": one.there,
                "format": one.picture.format,
                "width": one.picture.width,
                "height": one.picture.height,
                "size": one.picture.size,
                "expires_at": one.picture.expires_at,
                "fetched_at": one.picture.fetched_at,
            }
            for one in pictures
        ],
        "story": [
            {
                "at": event.at,
                "event": event.name,
                "task_id": event.task_id,
                "detail": event.detail,
                "told": sentence(event),
            }
            for event in story
        ],
    }
