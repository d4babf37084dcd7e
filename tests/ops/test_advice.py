"""Every failure that can be told comes with what to do about it."""

import inspect
import re

import pytest

from gateway import events, facts, notices
from gateway.ops import advice
from gateway.ops.plain import shape
from tests.repo.dialect import codes
from tests.repo.dialect import events as lines
from tests.repo.source import gateway_modules

EVERYTHING = {**advice.REQUESTS, **advice.EVENTS}


def test_every_code_that_is_our_fault_or_the_vendors_has_advice() -> None:
    failures = {code for status, code in codes(gateway_modules()) if status >= 500}
    assert failures <= advice.REQUESTS.keys()


def test_every_code_with_advice_can_be_answered() -> None:
    assert advice.REQUESTS.keys() <= {code for _, code in codes(gateway_modules())}


def test_every_line_of_the_log_that_is_an_error_has_advice() -> None:
    """But for one that comes with its own, of a process that never had a console to show it on."""
    errors = {name for name, level in lines().items() if level == "error"}
    assert errors - {"start_failed"} <= advice.EVENTS.keys()


def test_every_event_with_advice_can_be_told() -> None:
    told = {
        shape(kind)[0]  # type: ignore[arg-type]  # a class has a hash
        for module in (events, facts, notices)
        for kind in vars(module).values()
        if inspect.isclass(kind) and hasattr(kind, "__dataclass_fields__")
    }
    assert advice.EVENTS.keys() <= told


@pytest.mark.parametrize("name", EVERYTHING)
def test_advice_is_one_sentence_and_says_whether_it_is_urgent(name: str) -> None:
    found = EVERYTHING[name]
    assert re.fullmatch(r"[A-Z][^\n{}]+[^.\n]", found.what), found.what
    assert re.fullmatch(r"[A-Z][^\n{}]+\.", found.do), found.do
    assert found.tone in {"bad", "warn", "calm"}


def test_a_vendors_own_code_has_advice_by_its_status() -> None:
    assert advice.for_request("their_word", 400).what == "The vendor refused a request"
    assert advice.for_request(None, 599).what == "A request failed"
    assert advice.for_request("storage_full", 503).tone == "bad"
    assert advice.for_event("polled") is None
