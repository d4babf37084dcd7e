"""What happened to a job, in plain words.

Owns: a sentence for every event that a ledger can hold. Must not know: how a story is laid out. An
event of a name unknown here is told as it stands. No event holds a prompt.
"""

from collections.abc import Mapping

from gateway.cli.telling import duration, money, plain, size
from gateway.state.records import EventRecord

# A sentence, and what is added to it where the event says enough.
_WORDS: Mapping[str, tuple[str, ...]] = {
    "create_sent": ("create sent",),
    "created": ("accepted as {upstream_id}",),
    "not_sent": ("the vendor was not reached, nothing is bought", ": {reason}"),
    "throttled": ("put off by the vendor", ", who asks for {retry_after} of patience"),
    "refused": ("refused by the vendor, nothing is bought", ": {reason}"),
    "create_lost": ("the create's answer was lost, it is perhaps bought", ": {reason}"),
    "found": ("found at the vendor: accepted as {upstream_id}",),
    "not_found": ("not found at the vendor: held for lost",),
    "polled": ("the vendor says {word}", " ({progress} %)"),
    "poll_failed": ("the vendor was asked and gave no usable answer", ": {reason}"),
    "succeeded": ("the vendor is done", ", pictures: {images}", ", cost: {cost_usd}"),
    "task_failed": ("given up by the vendor", ": {reason}"),
    "vanished": ("no longer followed", ": {reason}"),
    "link_dead": ("made, but a picture could not be fetched", ": {reason}"),
    "collected": ("on the shelf", ", pictures: {images}", ", {size}"),
    "dropped": ("dropped before it was sent, nothing is bought", ": {reason}"),
    "recreate_allowed": ("may be created again (upstream.on_unknown: recreate)",),
    "job_joined": ("another request joined", " ({how})", ": {request_id}"),
    "job_ended": ("the job ended", " with {code}"),
    "job_delivered": ("delivered to a caller",),
    "job_promised": ("promised to a caller, who asks for it later",),
    "job_suspended": ("the process stopped before the job ended", "; tasks: {states}"),
    "job_recovered": ("taken up by another process", "; tasks: {states}"),
    "job_reopened": ("taken up again for a new request", ", tasks to buy: {missing}"),
    "job_claimed": ("claimed by an operator",),
}


def sentence(event: EventRecord) -> str:
    """What an event tells."""
    told = {name: _value(name, value) for name, value in event.detail.items() if value is not None}
    first, *more = _WORDS.get(event.name, (plain(event.name).replace("_", " "),))
    if event.name not in _WORDS and told:
        more = [f" ({', '.join(f'{name} {value}' for name, value in told.items())})"]
        return first + more[0]
    return _filled(first, told, anyhow=True) + "".join(_filled(part, told) for part in more)


def _filled(part: str, told: Mapping[str, str], *, anyhow: bool = False) -> str:
    """A part with the event's own facts in it; nothing where one is missing, or else a gap."""
    try:
        return part.format_map(_Gaps(told) if anyhow else told)
    except KeyError:
        return ""


class _Gaps(dict[str, str]):
    def __missing__(self, name: str) -> str:
        return "?"


def _value(name: str, value: object) -> str:
    match name, value:
        case "retry_after", int() | float():
            return duration(value)
        case "size", int():
            return size(value)
        case "cost_usd", str():
            return money([value]) or plain(value)
        case _, list():
            return ", ".join(plain(str(one)) for one in value)
        case _:
            return plain(str(value))
