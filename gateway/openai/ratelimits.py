"""What a key has left, as headers: ``x-ratelimit-{limit,remaining,reset}-{requests,images}``.

Owns: their names and how times are written. Must not know: how limits are counted.
"""

from collections.abc import Iterator

from gateway.state.base import Room, Standing


def standing_headers(standing: Standing) -> dict[str, str]:
    """Headers for the rates that have a limit: per minute, left at once, until all is back."""
    return {
        **dict(_headers("requests", standing.requests)),
        **dict(_headers("images", standing.images)),
    }


def _headers(what: str, room: Room | None) -> Iterator[tuple[str, str]]:
    if room is None:
        return
    yield f"x-ratelimit-limit-{what}", str(room.limit)
    yield f"x-ratelimit-remaining-{what}", str(room.left)
    yield f"x-ratelimit-reset-{what}", spell(room.seconds)


def spell(seconds: float) -> str:
    """A time as OpenAI writes it: ``12ms``, ``1.5s``, ``6m0s``; never less than it is."""
    milliseconds = -int(-seconds * 1000 // 1)
    if milliseconds < 1000:  # noqa: PLR2004 - a second
        return f"{milliseconds}ms"
    minutes, rest = divmod(milliseconds, 60_000)
    shown = f"{rest / 1000:.3f}".rstrip("0").rstrip(".")
    return f"{minutes}m{shown}s" if minutes else f"{shown}s"
