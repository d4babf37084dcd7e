"""What is wrong with an answer is seen, and nothing is seen in one that is right."""

import json
from typing import Any

import pytest

from tests.e2e.pictures import drawn_png
from tests.e2e.stand import KEY
from tests.faults.asking import NO_ANSWER, SERVED, End, misshapen

ERROR = {"message": "No.", "type": "server_error", "param": None, "code": "x"}
HEADERS = {"x-request-id": "req_1"}


def refused(error: Any = None, status: int = 502, **more: Any) -> End:
    error = ERROR if error is None else error
    settings = {"error": error, "headers": HEADERS, "text": json.dumps({"error": error}), **more}
    return End("x", 1.0, status, **settings)


async def test_a_whole_answer_is_right() -> None:
    assert await misshapen(End(SERVED, 1.0, 200, (drawn_png(),))) is None
    assert await misshapen(refused()) is None


@pytest.mark.parametrize(
    "end",
    [
        End(NO_ANSWER, 1.0),
        End(SERVED, 1.0, 200),
        End(SERVED, 1.0, 200, (drawn_png(), drawn_png())),
        End(SERVED, 1.0, 200, (drawn_png()[:-200],)),
        End(SERVED, 1.0, 200, (drawn_png((64, 64)),)),
        End(SERVED, 1.0, 200, (b"<html>",)),
        refused({"message": "No."}),
        refused({**ERROR, "more": 1}),
        refused({**ERROR, "message": ""}),
        refused({**ERROR, "type": None}),
        refused([]),
        refused(status=200),
        refused(headers={}),
        refused(text=f"{KEY} is wrong"),
        refused(headers={**HEADERS, "x-note": KEY}),
    ],
)
async def test_what_is_wrong_with_an_answer_is_seen(end: End) -> None:
    assert await misshapen(end)


async def test_a_secret_of_the_caller_of_this_is_seen_too() -> None:
    assert await misshapen(refused(text="at http://vendor"), secrets=("http://vendor",))


@pytest.mark.parametrize(
    ("message", "headers", "names"),
    [
        ("(job job_01ARZ3NDEKTSV4RRFFQ69G5FAV)", {"x-should-retry": "false"}, True),
        ("(job job_01ARZ3NDEKTSV4RRFFQ69G5FAV)", {}, False),
        ("nothing", {"x-should-retry": "false"}, False),
    ],
)
def test_an_error_names_the_task_or_does_not(
    message: str, headers: dict[str, str], names: bool
) -> None:
    assert refused({**ERROR, "message": message}, headers=headers).names_the_task is names
