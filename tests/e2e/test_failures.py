"""Whatever the vendor does wrong: the right error, nothing bought twice, nothing corrupt delivered.

Every row is drawn from the simulator's own lists; the SDK keeps its own manners (two repetitions)
wherever it is told not to use them.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from gateway.events import CreateSent, Found
from gateway.simulator.envelopes import REFUSALS
from gateway.simulator.fates import FATES
from gateway.simulator.faults import KINDS
from tests.e2e.outcomes import (
    BLOCKED,
    CANARY,
    LOST,
    NO_MODEL,
    THROTTLED,
    UNAUTHORIZED,
    UNAVAILABLE,
    UNFUNDED,
    Told,
    failed,
    hold,
    hold_tongue,
    refused,
)
from tests.e2e.pictures import SMALL, drawn_png, fetched, pictures_of
from tests.e2e.stand import VENDOR_KEY, Stand, behaving

PROMPT = f"{CANARY} a lighthouse in fog"
SDK_RETRIES = 2
PACE = 50
IMPATIENT: dict[str, Any] = {
    **dict.fromkeys(("create_time", "status_time", "upload_time", "download_time"), 0.75),
    "deadlines": {"tier_1k": 60 * PACE},
}
LONG = 30
BROKEN_LINK = failed("upstream_result_unusable")
NO_RESULT = failed("upstream_no_result")


@pytest.fixture
async def stand(tmp_path: Path) -> AsyncIterator[Stand]:
    async with behaving(tmp_path, pace=PACE, upstream=IMPATIENT) as stand:
        yield stand


async def generated(stand: Stand, n: int = 1, *, retries: int = 0, **options: Any) -> Any:
    options = {"prompt": PROMPT, "size": SMALL, "quality": "low", "n": n, **options}
    async with stand.client(max_retries=retries) as client:
        return await client.images.generate(model="gpt-image-2", **options)


async def edited(stand: Stand, *, retries: int = 0) -> Any:
    async with stand.client(max_retries=retries) as client:
        return await client.images.edit(
            model="gpt-image-2",
            prompt=PROMPT,
            image=drawn_png((64, 64)),
            size=SMALL,
            quality="low",
        )


async def served(stand: Stand, n: int = 1, **options: Any) -> None:
    pictures = pictures_of(await generated(stand, n, retries=SDK_RETRIES, **options))
    assert [picture.size for picture in pictures] == [(1024, 768)] * n
    assert stand.purchases == 1


async def fails(
    stand: Stand, told: Told, *, purchases: int, make: Any = generated, **options: Any
) -> openai.APIStatusError:
    """It fails as told; where SDKs must not come back, the SDK does not."""
    final = told.final or told.status == 400
    with pytest.raises(openai.APIStatusError) as caught:
        await make(stand, retries=SDK_RETRIES if final else 0, **options)
    hold(stand, caught.value, told)
    assert stand.purchases == purchases
    assert len(stand.requests) == 1
    return caught.value


def always(where: str, kind: str, **more: object) -> dict[str, object]:
    return {"where": where, "kind": kind, "times": None, **more}


# ── the create: refused, lost, late ──

THROTTLES = {"throttled", "throttled_silently", "throttled_numeric", "overloaded", "limiter_down"}
AT_CREATE: Mapping[str, Told] = {
    "bad_request": refused("invalid_request"),
    "base64_refused": refused("invalid_request", "image_urls"),
    "invalid_image_url": refused("invalid_request", "image_urls"),
    "invalid_references": refused("invalid_reference_images"),
    "webhook_not_configured": refused("webhook_not_configured", "callback_url"),
    "fail_to_fetch_task": refused("fail_to_fetch_task"),
    "task_not_exist": refused("task_not_exist"),
    "unauthorized": UNAUTHORIZED,
    "authentication_error": UNAUTHORIZED,
    "invalid_token_zh": UNAUTHORIZED,
    "insufficient_quota": UNFUNDED,
    "payment_required": UNFUNDED,
    "quota_not_enough": UNFUNDED,
    "insufficient_user_quota": UNFUNDED,
    "model_not_allowed": UNAUTHORIZED,
    "not_found": UNAVAILABLE,
    "task_not_found": UNAVAILABLE,
    "invalid_url": UNAVAILABLE,
    "too_large": refused(),
    "content_policy": BLOCKED,
    **dict.fromkeys(THROTTLES, THROTTLED),
    "internal_error": LOST,
    "do_request_failed": LOST,
    "insert_task_failed": LOST,
    "bad_gateway": LOST,
    "model_not_found": NO_MODEL,
    "no_channel": NO_MODEL,
    "unavailable": LOST,
    "gateway_timeout": LOST,
    "proxy_timeout": LOST,
    "refused_with_200": refused(),
    "garbage": LOST,
    "nothing": LOST,
    "a_list": LOST,
    "a_null": LOST,
    "wrong_types": LOST,
}
AMBIGUOUS = [kind for kind, told in AT_CREATE.items() if told is LOST]


def test_every_refusal_has_its_row() -> None:
    assert AT_CREATE.keys() == REFUSALS.keys() == AT_UPLOAD.keys()
    assert AFTERWARDS.keys() == FATES.keys()
    assert set(FILE_ROWS) == KINDS["file"]


@pytest.mark.parametrize("kind", sorted(AT_CREATE.keys() - THROTTLES))
async def test_a_refused_create_is_told_once_and_buys_nothing(stand: Stand, kind: str) -> None:
    stand.vendor_fails(always("create", kind))
    await fails(stand, AT_CREATE[kind], purchases=0)
    assert stand.calls("create") == 1


@pytest.mark.parametrize("kind", AMBIGUOUS)
async def test_a_create_bought_behind_an_error_is_found_and_served(stand: Stand, kind: str) -> None:
    stand.vendor_fails({"where": "create", "kind": kind, "bought": True})
    await served(stand)
    assert len(stand.events(Found)) == 1
    assert stand.calls("create") == 1


@pytest.mark.parametrize("status", [408, 409, 500, 502, 503, 504, 520, 522, 524, 529, 599])
async def test_doubtful_statuses_are_looked_up_and_never_sent_again(
    stand: Stand, status: int
) -> None:
    stand.vendor_fails({"where": "create", "kind": "bad_gateway", "status": status, "bought": True})
    await served(stand)
    assert stand.calls("create") == 1


@pytest.mark.parametrize(
    ("kind", "status", "told"),
    [
        ("insufficient_quota", 429, UNFUNDED),
        ("quota_not_enough", 400, UNFUNDED),
        ("model_not_found", 404, NO_MODEL),
        ("no_channel", 400, NO_MODEL),
        ("content_policy", 400, BLOCKED),
        ("bad_request", 415, refused("invalid_request")),
        ("bad_request", 451, UNAVAILABLE),
        ("unavailable", 301, UNAVAILABLE),
    ],
)
async def test_a_code_says_more_than_its_status(
    stand: Stand, kind: str, status: int, told: Told
) -> None:
    stand.vendor_fails(always("create", kind, status=status))
    await fails(stand, told, purchases=0)
    assert stand.calls("create") == 1


@pytest.mark.parametrize("kind", ["stall", "cut", "drip"])
async def test_an_answer_that_does_not_arrive_whole_is_looked_up(stand: Stand, kind: str) -> None:
    stand.vendor_fails(always("create", kind, seconds=LONG))
    await served(stand)
    assert stand.calls("create") == 1
    assert len(stand.events(Found)) == 1


@pytest.mark.parametrize("kind", ["stall", "drip", "stall_before"])
async def test_an_answer_that_is_merely_slow_is_awaited(stand: Stand, kind: str) -> None:
    stand.vendor_fails(always("create", kind, seconds=0.2))
    await served(stand)
    assert stand.events(Found) == []


@pytest.mark.parametrize("kind", ["stall_before", "cut_before"])
async def test_a_create_lost_before_the_purchase_is_an_unknown_outcome(
    stand: Stand, kind: str
) -> None:
    stand.vendor_fails(always("create", kind, seconds=LONG))
    await fails(stand, LOST, purchases=0)
    assert stand.calls("create") == 1


@pytest.mark.parametrize("kind", sorted(THROTTLES))
async def test_a_throttled_create_is_sent_again_and_bought_once(stand: Stand, kind: str) -> None:
    stand.vendor_fails({"where": "create", "kind": kind, "times": 2})
    await served(stand)
    assert stand.calls("create") == 3
    assert len(stand.events(CreateSent)) == 3


@pytest.mark.parametrize("hint", ["0", "0.5", "soon", "-3", "Thu, 01 Jan 1970 00:00:00 GMT", ""])
async def test_any_hint_of_patience_is_understood(stand: Stand, hint: str) -> None:
    stand.vendor_fails({"where": "create", "kind": "throttled", "retry_after": hint, "times": 2})
    await served(stand)


@pytest.mark.parametrize("kind", sorted(THROTTLES))
async def test_throttled_for_good_is_a_429_and_nothing_is_bought(tmp_path: Path, kind: str) -> None:
    pace = 10  # no faster, so that a create's answer is there within the last moment
    impatient = {**IMPATIENT, "deadlines": {"tier_1k": 2 * pace}}
    async with behaving(tmp_path, pace=pace, upstream=impatient) as stand:
        stand.vendor_fails(always("create", kind))
        await fails(stand, THROTTLED, purchases=0)
        assert stand.calls("create") > 3


async def test_a_hint_beyond_the_deadline_is_passed_on_within_bounds(stand: Stand) -> None:
    stand.vendor_fails(always("create", "throttled", retry_after="3600"))
    error = await fails(stand, THROTTLED, purchases=0)
    assert error.response.headers["retry-after"] == "60"


async def test_a_vendor_that_cannot_be_reached_is_a_503(tmp_path: Path) -> None:
    nowhere = {**IMPATIENT, "base_url": "http://127.0.0.1:9"}
    async with behaving(tmp_path, pace=PACE, upstream=nowhere) as stand:
        with pytest.raises(openai.InternalServerError) as caught:
            await generated(stand)
        hold(stand, caught.value, UNAVAILABLE)
        assert int(caught.value.response.headers["retry-after"]) <= 60


async def test_a_connection_cut_before_any_answer_is_an_unknown_outcome(tmp_path: Path) -> None:
    creates = []

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        creates.append((await reader.readline()).startswith(b"POST"))
        writer.transport.abort()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    rude = {**IMPATIENT, "base_url": f"http://127.0.0.1:{port}"}
    async with server, behaving(tmp_path, pace=PACE, upstream=rude) as stand:
        await fails(stand, LOST, purchases=0)
    assert sum(creates) == 1


# ── later: the task fails, or nobody can say how it is ──

AFTERWARDS: Mapping[str, Told | None] = {
    "stuck": None,  # test_hang_ups.py
    "slow": None,
    "at_once": None,
    "more": None,
    "fewer": NO_RESULT,
    "no_links": NO_RESULT,
    **dict.fromkeys(
        ("moderated", "moderated_policy", "moderated_zh", "moderated_422"),
        Told(
            openai.BadRequestError,
            400,
            "image_generation_user_error",
            "moderation_blocked",
            final=True,
            bought=True,
        ),
    ),
    **dict.fromkeys(("bad_parameter", "bad_reference"), refused(final=True, bought=True)),
    **dict.fromkeys(
        (
            "upstream_500",
            "upstream_garbled",
            "upstream_timeout",
            "failed",
            "failed_zh",
            "failed_by_reason",
            "cancelled",
            "expired_task",
        ),
        failed("upstream_task_failed"),
    ),
}


@pytest.mark.parametrize(("kind", "told"), [(k, told) for k, told in AFTERWARDS.items() if told])
async def test_a_task_that_ends_badly_is_told_with_its_names(
    stand: Stand, kind: str, told: Told
) -> None:
    stand.vendor_fails(always("create", kind))
    await fails(stand, told, purchases=1)


@pytest.mark.parametrize("kind", ["slow", "at_once", "more"])
async def test_a_task_that_ends_well_is_served_however_it_gets_there(
    stand: Stand, kind: str
) -> None:
    stand.vendor_fails(always("create", kind, seconds=0.2))
    await served(stand, n=2)


async def test_one_picture_of_two_is_kept_charged_and_named(stand: Stand) -> None:
    stand.vendor_fails(always("create", "fewer"))
    error = await fails(stand, failed("upstream_fewer_images"), purchases=1, n=2)
    await _kept(stand, error.message, 1)


async def test_what_succeeded_beside_a_failed_task_is_kept_and_named(stand: Stand) -> None:
    stand.vendor_fails({"where": "create", "kind": "failed", "after": 1})
    error = await fails(stand, failed("upstream_task_failed"), purchases=3, n=10)
    # Two of the tasks with 4, 4 and 2 pictures.
    assert len(stand.shelved()) in {6, 8}
    await _kept(stand, error.message, len(stand.shelved()))


async def test_a_lost_create_beside_good_ones_says_what_was_kept(stand: Stand) -> None:
    stand.vendor_fails({"where": "create", "kind": "cut_before", "after": 1})
    with pytest.raises(openai.InternalServerError) as caught:
        await generated(stand, n=10, retries=SDK_RETRIES)
    assert caught.value.code == "upstream_outcome_unknown"
    assert caught.value.response.headers["x-should-retry"] == "false"
    assert (stand.purchases, stand.calls("create"), len(stand.requests)) == (2, 3, 1)
    hold_tongue(stand, caught.value.response.text)
    await _kept(stand, caught.value.message, len(stand.shelved()))


async def _kept(stand: Stand, message: str, count: int) -> None:
    words = [word.rstrip(".,'\"}") for word in message.split()]
    links = [word for word in words if word.startswith(f"{stand.url}/images/")]
    assert len(links) == count
    for link in links:
        assert (await fetched(link)).size == (1024, 768)


BAD_ANSWERS = sorted(KINDS["status"] - {"word"})


def slow(seconds: float) -> dict[str, object]:
    """Made so late that it has to be asked about, however slowly its create is answered."""
    return {"where": "create", "kind": "slow", "seconds": seconds}


@pytest.mark.parametrize("first", range(0, len(BAD_ANSWERS), 5))
async def test_no_bad_answer_about_a_task_ends_it(stand: Stand, first: int) -> None:
    kinds = BAD_ANSWERS[first : first + 5]
    faults = [{"where": "status", "kind": kind, "seconds": LONG} for kind in kinds]
    stand.vendor_fails(slow(1.0), *faults)
    await served(stand)
    struck = [line["struck"] for line in stand.simulator.vendor.script.report()]
    assert struck == [1] * (1 + len(kinds))


async def test_half_of_all_questions_may_fail_for_ever(stand: Stand) -> None:
    stand.vendor_fails(slow(0.4), always("status", "bad_gateway", share=0.5))
    await served(stand)


@pytest.mark.parametrize("word", ["", "  ", "thinking", "任务", "COMPLETED?", "x" * 5000])
async def test_an_unknown_word_means_still_running(stand: Stand, word: str) -> None:
    stand.vendor_fails({"where": "status", "kind": "word", "word": word, "times": 3})
    await served(stand)


@pytest.mark.parametrize("kind", ["not_found", "task_not_found", "task_not_exist", "invalid_url"])
async def test_a_task_the_vendor_has_forgotten_is_told_by_name(stand: Stand, kind: str) -> None:
    stand.vendor_fails(slow(30.0), always("status", kind))
    await fails(stand, failed("upstream_task_unknown"), purchases=1)


# ── pictures on their way in ──

AT_UPLOAD: Mapping[str, Told] = {
    **AT_CREATE,
    **dict.fromkeys(AMBIGUOUS, UNAVAILABLE),  # an upload buys nothing, so nothing is in doubt
}


@pytest.mark.parametrize("kind", sorted(AT_UPLOAD))
async def test_a_refused_upload_buys_nothing(stand: Stand, kind: str) -> None:
    stand.vendor_fails(always("upload", kind))
    told = AT_UPLOAD[kind]
    await fails(stand, told, purchases=0, make=edited)
    assert stand.calls("create") == 0
    assert stand.calls("upload") == (3 if told in {UNAVAILABLE, THROTTLED} else 1)


@pytest.mark.parametrize(
    "kind", sorted(THROTTLES | {"bad_gateway", "garbage", "nothing", "stall", "cut", "drip"})
)
async def test_an_upload_is_repeated_where_that_may_help(stand: Stand, kind: str) -> None:
    stand.vendor_fails({"where": "upload", "kind": kind, "seconds": LONG, "times": 1})
    pictures_of(await edited(stand))
    assert (stand.calls("upload"), stand.purchases) == (2, 1)


@pytest.mark.parametrize("status", [200, 400, 413, 422])
async def test_an_upload_flag_says_no_whatever_the_status(stand: Stand, status: int) -> None:
    stand.vendor_fails(always("upload", "refused_with_200", status=status))
    error = await fails(stand, refused(), purchases=0, make=edited)
    assert "操作失败" in error.message


# ── pictures on their way out ──

FILE_ROWS: Mapping[str, Told | None] = {
    **dict.fromkeys(KINDS["file"], BROKEN_LINK),
    "wrong_type": None,  # the bytes are a whole picture, and bytes are what counts
}


AWAY = {"internal_error", "bad_gateway", "throttled"}
"""Not the file fails, but its host: that is waited out."""


@pytest.mark.parametrize("kind", sorted(FILE_ROWS))
async def test_a_link_that_fails_once_is_looked_up_afresh(stand: Stand, kind: str) -> None:
    stand.vendor_fails({"where": "file", "kind": kind, "seconds": LONG, "times": 1})
    await served(stand)


@pytest.mark.parametrize(
    ("kind", "output_format"),
    [(kind, "png") for kind in sorted(FILE_ROWS.keys() - AWAY - {"stall", "drip", "wrong_type"})]
    + [(kind, "jpeg") for kind in ("cut", "truncated", "wrong_length", "wrong_picture", "huge")],
)
async def test_nothing_broken_is_ever_delivered(
    stand: Stand, kind: str, output_format: str
) -> None:
    stand.vendor_fails(always("file", kind))
    await fails(stand, BROKEN_LINK, purchases=1, output_format=output_format)
    assert stand.shelved() == []
    assert stand.calls("file") <= 6


@pytest.mark.parametrize("kind", sorted(AWAY))
async def test_a_host_that_is_away_is_waited_for_and_its_picture_kept(
    tmp_path: Path, kind: str
) -> None:
    short = {**IMPATIENT, "deadlines": {"tier_1k": 0.6 * PACE}}
    async with behaving(tmp_path, pace=PACE, upstream=short) as stand:
        stand.vendor_fails(always("file", kind))
        late = Told(
            openai.InternalServerError,
            504,
            "server_error",
            "upstream_timeout",
            final=True,
            bought=True,
        )
        await fails(stand, late, purchases=1)
        stand.vendor_fails()
        await stand.until(lambda: len(stand.gateway.board) == 0)
        assert len(stand.shelved()) == 1
        await generated(stand)
        assert stand.purchases == 1


@pytest.mark.parametrize("kind", ["stall", "drip"])
async def test_a_file_that_never_comes_to_its_end_is_given_up(tmp_path: Path, kind: str) -> None:
    impatient = {**IMPATIENT, "download_time": 0.1}
    async with behaving(tmp_path, pace=PACE, upstream=impatient) as stand:
        stand.vendor_fails(always("file", kind, seconds=LONG))
        await fails(stand, BROKEN_LINK, purchases=1)
        assert stand.shelved() == []


@pytest.mark.parametrize("kind", ["drip", "stall"])
async def test_a_slow_file_is_awaited(stand: Stand, kind: str) -> None:
    stand.vendor_fails(always("file", kind, seconds=0.3))
    await served(stand)


async def test_bytes_count_and_not_what_they_are_called(stand: Stand) -> None:
    stand.vendor_fails(always("file", "wrong_type"))
    await served(stand)


@pytest.mark.parametrize(
    "location",
    [
        "http://169.254.169.254/latest/meta-data",
        "http://127.0.0.1:9/x",
        "https://127.0.0.1/x",
        "file:///etc/passwd",
        "https://localhost/x",
        "http://example.com/x",
        "https://[::1]/x",
        "//0x7f000001/x",
        "/files/nowhere",
    ],
)
async def test_no_redirect_leads_into_the_house(stand: Stand, location: str) -> None:
    stand.vendor_fails(always("file", "redirect", location=location))
    error = await fails(stand, BROKEN_LINK, purchases=1)
    assert location not in error.response.text


async def test_a_result_larger_than_its_bound_is_no_result(tmp_path: Path) -> None:
    async with behaving(tmp_path, pace=PACE, images={"result": 20_000}) as stand:
        await fails(stand, BROKEN_LINK, purchases=1)
        assert stand.shelved() == []


async def test_the_vendors_key_is_never_shown_to_those_who_keep_its_files(stand: Stand) -> None:
    await served(stand)
    assert stand.simulator.vendor.authorized_file_requests == 0


def elsewhere(stand: Stand) -> None:
    """The vendor names its files under another name of this machine."""
    port = stand.vendor_url.rpartition(":")[2]
    stand.simulator.vendor._public_url = f"http://localhost:{port}"


async def test_no_link_leads_into_the_house(stand: Stand) -> None:
    elsewhere(stand)
    await fails(stand, BROKEN_LINK, purchases=1)
    assert stand.calls("file") == 0


async def test_unless_the_operator_opens_that_door(tmp_path: Path) -> None:
    async with behaving(tmp_path, images={"fetch_from": ["localhost"]}) as stand:
        elsewhere(stand)
        await served(stand)


async def test_links_may_be_held_to_listed_hosts(tmp_path: Path) -> None:
    listed = {"result_hosts": ["files.example"]}
    hosts = {"fetch_from": ["localhost"]}
    async with behaving(tmp_path, pace=PACE, upstream=listed, images=hosts) as stand:
        elsewhere(stand)
        await fails(stand, BROKEN_LINK, purchases=1)
        assert stand.calls("file") == 0


# ── everything at once ──

WISHES = 30
STORM = (
    always("create", "throttled", share=0.15, retry_after="0"),
    always("create", "cut", share=0.1),
    always("create", "cut_before", share=0.05),
    always("create", "bad_gateway", share=0.1, bought=True),
    always("create", "proxy_timeout", share=0.1, bought=True),
    always("create", "bad_request", share=0.05),
    always("create", "failed", share=0.1),
    always("create", "slow", share=0.1, seconds=0.2),
    always("status", "bad_gateway", share=0.2),
    always("status", "garbage", share=0.1),
    always("status", "not_found", share=0.1),
    always("status", "cut", share=0.1),
    always("file", "truncated", share=0.2),
    always("file", "wrong_length", share=0.1),
    always("file", "forbidden", share=0.1),
    always("file", "html_as_picture", share=0.1),
)


async def test_in_a_storm_every_wish_is_bought_at_most_once(tmp_path: Path) -> None:
    patient = {**IMPATIENT, "settle_time": 90}
    async with behaving(tmp_path, pace=PACE, upstream=patient) as stand:
        stand.vendor_fails(*STORM)
        ends = await asyncio.gather(*(_end(stand, place) for place in range(WISHES)))
        served, named, doubtful = (ends.count(end) for end in ("served", "bought", "doubtful"))
        book: Any = stand.simulator.vendor.book.purchases_made(WISHES)
        assert book["bought_twice"] == []
        assert len({task["prompt_sha256"] for task in book["tasks"]}) == stand.purchases
        assert served + named <= stand.purchases <= served + named + doubtful
        assert len(stand.shelved()) == served > WISHES / 3
        assert len(stand.gateway.board) == 0


async def _end(stand: Stand, place: int) -> str:
    """How a wish ends; what is neither served nor named nor in doubt was never bought."""
    try:
        result = await generated(stand, retries=SDK_RETRIES, prompt=f"{PROMPT} {place}")
    except openai.APIStatusError as error:
        hold_tongue(stand, error.response.text)
        told = error.response.headers
        end = "refused"
        if error.code == "upstream_outcome_unknown":
            end = "doubtful"
        elif "x-gateway-task" in told:
            end = "bought"
        assert (told.get("x-should-retry") == "false") is (end != "refused")
        return end
    pictures_of(result)
    return "served"


# ── what the vendor says is not passed on unread ──

GOSSIP = f"Bad token {VENDOR_KEY} sk-abcdefgh at http://10.0.0.7:3000/internal"


@pytest.mark.parametrize("where", ["create", "upload"])
async def test_a_refusal_that_repeats_secrets_is_cleaned(stand: Stand, where: str) -> None:
    repeated = f" for {PROMPT}" if where == "create" else ""  # an upload tells no prompt
    stand.vendor_fails(always(where, "bad_request", message=GOSSIP + repeated))
    make = generated if where == "create" else edited
    error = await fails(stand, refused("invalid_request"), purchases=0, make=make)
    assert "Bad token" in error.message
    assert "10.0.0.7" not in error.response.text
    assert "sk-abcdefgh" not in error.response.text


async def test_after_a_failure_the_same_stand_serves_the_next(stand: Stand) -> None:
    stand.vendor_fails(always("file", "huge"))
    with pytest.raises(openai.InternalServerError):
        await generated(stand)
    stand.vendor_fails()
    (picture,) = pictures_of(await generated(stand, prompt=f"{PROMPT} at night"))
    assert picture.size == (1024, 768)
    assert stand.purchases == 2


async def test_who_asks_again_after_a_paid_failure_is_told_the_same_and_buys_nothing(
    stand: Stand,
) -> None:
    stand.vendor_fails(always("file", "huge"))
    told = []
    for _ in range(2):
        with pytest.raises(openai.InternalServerError) as caught:
            await generated(stand)
        told.append((caught.value.message, caught.value.response.headers["x-should-retry"]))
    assert told[0] == told[1]
    assert told[0][1] == "false"
    assert stand.purchases == 1
    assert [request.joined for request in stand.requests] == [None, "replay"]


async def test_a_plain_client_gets_the_same_envelope(stand: Stand) -> None:
    stand.vendor_fails(always("create", "moderated"))
    async with stand.plain() as client:
        answer = await client.post("/v1/images/generations", json={"prompt": PROMPT})
    assert isinstance(answer, httpx.Response)
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["error"]["code"] == "moderation_blocked"
    hold_tongue(stand, answer.text)


async def test_a_partial_result_is_a_setting(tmp_path: Path) -> None:
    async with behaving(tmp_path, pace=PACE, requests={"partial_results": True}) as stand:
        stand.vendor_fails(always("create", "fewer"))
        async with stand.client() as client:
            raw = await client.images.with_raw_response.generate(
                model="gpt-image-2", prompt=PROMPT, size=SMALL, quality="low", n=2
            )
        (picture,) = pictures_of(raw.parse())
    assert picture.size == (1024, 768)
    assert "partial-result;made=1;asked=2" in raw.headers["x-gateway-notes"]
