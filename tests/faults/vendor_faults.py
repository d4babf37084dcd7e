"""Everything that goes wrong between the gateway and its vendor, by name, and how it may end.

Owns: the list. Must not know: how a fault is brought about, or counted. Faults at a create are
told with whether the vendor had bought: the caller gets the picture if it had.
"""

import functools
import gzip
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from typing import Any, Literal, TypeAlias

from gateway.clock import SystemClock
from tests.faults.asking import SERVED
from tests.faults.mishaps import AFTER_HEAD, Kind, Mishap, Place
from tests.faults.names import Trouble

Ends: TypeAlias = frozenset[str]
WELL: Ends = frozenset({SERVED})
LOST: Ends = frozenset({"upstream_outcome_unknown"})
AWAY: Ends = frozenset({"upstream_unavailable"})
THROTTLED: Ends = frozenset({"rate_limit_exceeded"})
TOO_LATE: Ends = frozenset({"upstream_timeout"})
# Put off until the deadline, a create may be under way just then.
PUT_OFF = THROTTLED | TOO_LATE
# An attempt to connect may be under way just then, too.
SLOWLY_AWAY = AWAY | TOO_LATE
UNUSABLE: Ends = frozenset({"upstream_result_unusable"})

LONG = 30.0
QUICK = 40
"""How much faster the clock runs where the vendor asks for a minute's patience."""
FROM_INSIDE = "http://169.254.169.254/latest/meta-data"


@dataclass(frozen=True, slots=True)
class Faults:
    """What is brought about for one trial.

    ``vendor`` is the simulator's script, ``proxy`` the proxy's. ``names`` and ``door`` begin
    ``from_task`` on where that is set (else at once), and last ``lasting`` seconds (else until the
    answer). ``settings`` are the simulator's.
    """

    vendor: tuple[Mapping[str, object], ...] = ()
    proxy: tuple[Mishap, ...] = ()
    names: Trouble | None = None
    door: Literal["refused", "clogged"] | None = None
    tls: Literal["wrong_host", "expired", "unknown"] | None = None
    from_task: bool = False
    lasting: float | None = None
    settings: Mapping[str, object] = field(default_factory=dict)


Make: TypeAlias = Callable[[random.Random], Faults]


@dataclass(frozen=True, slots=True)
class Case:
    """A fault by name. ``may``: how it may end; ``edits``: the wish brings a picture."""

    name: str
    may: Ends
    make: Make
    n: int = 1
    edits: bool = False
    pace: float = 1.0


def _line(where: Place, kind: str, times: int | None = None, **more: object) -> Any:
    return {"where": where, "kind": kind, "times": times, **more}


def _vendor(*lines: Mapping[str, object], **settings: object) -> Make:
    return lambda _: Faults(vendor=lines, settings=settings)


def _wire(kind: Kind, where: Place | None, **more: Any) -> Make:
    """A mishap; a ``span`` of bytes is drawn from."""
    span = more.pop("span", None)

    def make(dice: random.Random) -> Faults:
        at: dict[str, Any] = {"at": dice.randint(*span)} if span is not None else {}
        return Faults(proxy=(Mishap(kind, where, **at, **more),))

    return make


def _told(where: Place, text: bytes, **more: Any) -> Make:
    return _wire("say", where, text=text, **more)


def _bombed(where: Place, **more: Any) -> Make:
    return lambda _: Faults(proxy=(Mishap("say", where, text=_bomb(), **more),))


def _fixed(**more: Any) -> Make:
    return lambda _: Faults(**more)


def _dated(dice: random.Random) -> Faults:
    moment = formatdate(SystemClock().wall() + 2, usegmt=True)
    return Faults(vendor=(_line("create", "throttled", 1, retry_after=moment),))


def _head(status: str, *headers: str) -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", *headers, "", ""]).encode()


@functools.cache
def _bomb() -> bytes:
    """A hundred megabytes of nothing, in a hundred kilobytes."""
    packed = gzip.compress(bytes(100_000_000), 1)
    length = f"content-length: {len(packed)}"
    return (
        _head("200 OK", "content-type: application/json", "content-encoding: gzip", length) + packed
    )


def _page(status: str) -> bytes:
    body = b"<html><body>Not Found</body></html>"
    return _head(status, "content-type: text/html", f"content-length: {len(body)}") + body


_ENDLESS = {
    "text": _head("200 OK", "content-type: application/json", "transfer-encoding: chunked"),
    "filler": b"10000\r\n" + b"x" * 0x10000 + b"\r\n",
}
_ENDLESS_HEAD = {"text": b"HTTP/1.1 200 OK\r\n", "filler": b"x-more: " + b"x" * 1000 + b"\r\n"}
_HEAD_DRIP = {"at": 0, "step": 1, "seconds": 0.05}
_BODY_DRIP = {"at": AFTER_HEAD, "step": 1, "seconds": 0.05}
_ELSEWHERE = _head(
    "307 Temporary Redirect", "location: https://elsewhere.test/", "content-length: 0"
)
_EMPTY = _head("204 No Content")
_STRANGE = b"SSH-2.0-OpenSSH_9.2\r\n"
_BEFORE: Mapping[str, Any] = {"forwarded": False}


def _reaching() -> tuple[Case, ...]:
    """The vendor cannot be reached."""
    return (
        Case("names_unknown", AWAY, _fixed(names="unknown")),
        Case("names_failing", AWAY, _fixed(names="failing")),
        Case("names_too_slow", SLOWLY_AWAY, _fixed(names=2.0)),
        Case("names_slow", WELL, _fixed(names=0.3)),
        Case("names_unknown_while_asking", WELL, _later(names="unknown")),
        Case("connection_refused", AWAY, _fixed(door="refused")),
        Case("connection_refused_briefly", WELL, _fixed(door="refused", lasting=0.7)),
        Case("connection_refused_while_asking", WELL, _later(door="refused")),
        Case("connection_never_stands", SLOWLY_AWAY, _fixed(door="clogged")),
        Case("connection_never_stands_while_asking", WELL, _later(door="clogged")),
        Case("connection_closed_at_once", LOST, _wire("hang_up", None)),
        Case("connection_reset_at_once", LOST, _wire("slam", None)),
        Case("tls_wrong_host", AWAY, _fixed(tls="wrong_host")),
        Case("tls_expired", AWAY, _fixed(tls="expired")),
        Case("tls_unknown_authority", AWAY, _fixed(tls="unknown")),
    )


def _later(**more: Any) -> Make:
    """For a second, once the task was accepted; it takes longer than that."""
    slow = _line("create", "slow", seconds=0.5)
    return lambda _: Faults(vendor=(slow,), from_task=True, lasting=1.0, **more)


def _creating() -> tuple[Case, ...]:
    """The create's answer is lost, or is none."""
    return (
        Case("create_black_hole", LOST, _wire("silence", "create", **_BEFORE)),
        Case("create_black_hole_bought", WELL, _wire("silence", "create")),
        Case("create_closed", LOST, _wire("close", "create", **_BEFORE)),
        Case("create_closed_bought", WELL, _wire("close", "create")),
        Case("create_reset", LOST, _wire("reset", "create", **_BEFORE)),
        Case("create_reset_at_byte_0", WELL, _wire("reset", "create", at=0)),
        Case("create_reset_in_status_line", WELL, _wire("reset", "create", span=(1, 15))),
        Case("create_reset_in_headers", WELL, _wire("reset", "create", span=(16, 230))),
        Case("create_reset_in_body", WELL, _wire("reset", "create", span=(260, 460))),
        Case("create_truncated", WELL, _wire("close", "create", span=(1, 460))),
        Case("create_half_json", LOST, _vendor(_line("create", "garbage"))),
        Case("create_half_json_bought", WELL, _vendor(_line("create", "garbage", bought=True))),
        Case("create_html_502_bought", WELL, _vendor(_line("create", "bad_gateway", bought=True))),
        Case("create_html_504", LOST, _vendor(_line("create", "gateway_timeout"))),
        Case(
            "create_html_524_bought", WELL, _vendor(_line("create", "proxy_timeout", bought=True))
        ),
        Case(
            "create_wrong_types_bought", WELL, _vendor(_line("create", "wrong_types", bought=True))
        ),
        Case("create_empty_bought", WELL, _vendor(_line("create", "nothing", bought=True))),
        Case("create_list_bought", WELL, _vendor(_line("create", "a_list", bought=True))),
        Case("create_204_bought", WELL, _told("create", _EMPTY)),
        Case("create_not_http_bought", WELL, _told("create", _STRANGE)),
        Case("create_gzip_bomb_bought", WELL, _bombed("create")),
        Case("create_endless_body_bought", WELL, _wire("say", "create", **_ENDLESS)),
        Case("create_endless_head_bought", WELL, _wire("say", "create", **_ENDLESS_HEAD)),
        Case("create_head_drip_bought", WELL, _wire("drip", "create", **_HEAD_DRIP)),
        Case("create_body_drip_bought", WELL, _wire("drip", "create", **_BODY_DRIP)),
        Case(
            "create_dripped_request", WELL, _wire("slow_request", "create", step=50, seconds=0.02)
        ),
        Case("create_late_answer", WELL, _wire("late", "create", seconds=0.5)),
        Case(
            "create_sent_twice_by_a_proxy",
            WELL,
            lambda _: Faults(
                proxy=(Mishap("twice", "create"),), settings={"repeated_business_id": "same"}
            ),
        ),
        Case(
            "create_duplicate_business_id",
            WELL,
            lambda _: Faults(
                proxy=(Mishap("twice", "create"),), settings={"repeated_business_id": "refuse"}
            ),
        ),
    )


def _refusing() -> tuple[Case, ...]:
    """The vendor says no, or later."""
    operators = frozenset({"upstream_unauthorized"})
    return (
        Case("create_success_false", frozenset({"upstream_refused"}), _refused("refused_with_200")),
        Case("create_401", operators, _refused("unauthorized")),
        Case("create_402", frozenset({"insufficient_quota"}), _refused("payment_required")),
        Case("create_403", operators, _refused("model_not_allowed")),
        Case("create_404", AWAY, _refused("invalid_url")),
        Case("create_redirected", AWAY, _told("create", _ELSEWHERE, **_BEFORE)),
        Case(
            "create_no_channel", frozenset({"upstream_model_unavailable"}), _refused("no_channel")
        ),
        Case("create_429_storm", PUT_OFF, _refused("throttled_silently")),
        Case("create_429_storm_retry_after_0", PUT_OFF, _refused("throttled", retry_after="0")),
        Case(
            "create_429_storm_retry_after_3600",
            THROTTLED,
            _refused("throttled", retry_after="3600"),
            pace=QUICK,
        ),
        Case(
            "create_429_storm_retry_after_garbage",
            PUT_OFF,
            _refused("throttled", retry_after="soon"),
        ),
        Case("create_429_retry_after_date", WELL, _dated),
        Case(
            "create_429_passing",
            WELL,
            _vendor(_line("create", "overloaded", 2, retry_after="0.5")),
        ),
    )


def _refused(kind: str, **more: Any) -> Make:
    return _vendor(_line("create", kind, **more))


def _asking() -> tuple[Case, ...]:
    """Questions about a task that was bought go wrong; nothing of it ends the task."""
    working = _line("status", "word", 1, word="in_progress")
    waiting = _line("status", "word", 3, word="queued")
    asked = (
        Case("status_half_json", WELL, _vendor(_line("status", "garbage", 3))),
        Case("status_wrong_types", WELL, _vendor(_line("status", "wrong_types", 3))),
        Case("status_html_502", WELL, _vendor(_line("status", "bad_gateway", 5))),
        Case("status_html_524", WELL, _vendor(_line("status", "proxy_timeout", 3))),
        Case("status_401_passing", WELL, _vendor(_line("status", "unauthorized", 3))),
        Case("status_401", TOO_LATE, _vendor(_line("status", "unauthorized"))),
        Case(
            "status_404",
            frozenset({"upstream_task_unknown"}),
            _vendor(_line("status", "not_found")),
        ),
        Case("status_404_passing", WELL, _vendor(_line("status", "task_not_found", 3))),
        Case("status_404_of_a_proxy", TOO_LATE, _told("status", _page("404 Not Found"))),
        Case(
            "status_429_retry_after_3600",
            WELL,
            _vendor(_line("status", "throttled", 1, retry_after="3600")),
            pace=QUICK,
        ),
        Case(
            "status_429_retry_after_garbage",
            WELL,
            _vendor(_line("status", "throttled", 3, retry_after="soon")),
        ),
        Case("status_unknown_word", TOO_LATE, _vendor(_line("status", "word", word="thinking"))),
        Case("status_regress", WELL, _vendor(working, waiting)),
        Case("status_black_hole", WELL, _wire("silence", "status", times=1, **_BEFORE)),
        Case("status_reset_at_byte_n", WELL, _wire("reset", "status", span=(0, 600), times=2)),
        Case("status_truncated", WELL, _wire("close", "status", span=(1, 600), times=2)),
        Case("status_gzip_bomb", WELL, _bombed("status", times=1)),
        Case("status_endless_body", WELL, _wire("say", "status", times=1, **_ENDLESS)),
        Case("status_head_drip", WELL, _wire("drip", "status", times=1, **_HEAD_DRIP)),
        Case("status_body_drip", WELL, _wire("drip", "status", times=1, **_BODY_DRIP)),
    )
    return tuple(replace(case, make=_slowly(case.make)) for case in asked)


def _slowly(make: Make) -> Make:
    """The task takes long enough to be asked about."""
    slow = _line("create", "slow", seconds=0.4)

    def slowed(dice: random.Random) -> Faults:
        faults = make(dice)
        return replace(faults, vendor=(slow, *faults.vendor))

    return slowed


def _making() -> tuple[Case, ...]:
    """The task itself comes to nothing, or to something else than asked for."""
    failed, none = frozenset({"upstream_task_failed"}), frozenset({"upstream_no_result"})
    fewer = frozenset({"upstream_fewer_images"})
    return (
        Case("task_never_ends", TOO_LATE, _refused("stuck")),
        Case("task_fails", failed, _refused("upstream_500")),
        Case("task_moderated", frozenset({"moderation_blocked"}), _refused("moderated")),
        Case("task_makes_fewer", fewer, _refused("fewer"), n=3),
        Case("task_makes_none", none, _refused("fewer")),
        Case("task_names_none", none, _refused("no_links")),
        Case("task_makes_more", WELL, _refused("more"), n=2),
        Case("task_done_at_once", WELL, _refused("at_once")),
    )


def _moving() -> tuple[Case, ...]:
    """Pictures do not get through, in either direction."""
    inside = _line("file", "redirect", location=FROM_INSIDE)
    return (
        Case("file_403", UNUSABLE, _vendor(_line("file", "forbidden"))),
        Case("file_404_once", WELL, _vendor(_line("file", "missing", 1))),
        Case("file_redirected_inside", UNUSABLE, _vendor(inside)),
        Case("file_endless", UNUSABLE, _vendor(_line("file", "huge"))),
        Case("file_gzip_bomb", UNUSABLE, _bombed("file")),
        Case("file_black_hole", WELL, _wire("silence", "file", times=1, **_BEFORE)),
        Case("file_reset_at_byte_n", WELL, _wire("reset", "file", span=(0, 600), times=1)),
        Case("file_truncated", WELL, _wire("close", "file", span=(300, 20_000), times=1)),
        Case("file_head_drip", WELL, _wire("drip", "file", times=1, **_HEAD_DRIP)),
        Case("file_body_drip", WELL, _wire("drip", "file", times=1, **_BODY_DRIP)),
        Case("upload_502", WELL, _vendor(_line("upload", "bad_gateway", 1)), edits=True),
        Case("upload_black_hole", WELL, _wire("silence", "upload", times=1, **_BEFORE), edits=True),
        Case("upload_reset", WELL, _wire("reset", "upload", times=1), edits=True),
        Case(
            "upload_401",
            frozenset({"upstream_unauthorized"}),
            _vendor(_line("upload", "unauthorized")),
            edits=True,
        ),
    )


CASES: tuple[Case, ...] = (
    *_reaching(),
    *_creating(),
    *_refusing(),
    *_asking(),
    *_making(),
    *_moving(),
)
