"""Why a request was turned away: one word for each error, and none for a failure."""

from typing import get_args

import pytest

from gateway import errors
from gateway.errors import Bought, GatewayError
from gateway.facts import Rejection
from gateway.openai.rejections import TABLE, rejection
from tests.openai.test_responses import an_error, subclasses

ALL = list(subclasses(GatewayError))


@pytest.mark.parametrize("kind", ALL)
def test_every_error_of_the_tree_has_a_row_of_its_own(kind: type[GatewayError]) -> None:
    assert kind in TABLE
    assert rejection(an_error(kind)) == TABLE[kind]


def test_the_table_has_no_row_without_an_error_and_leaves_no_word_unused() -> None:
    assert set(TABLE) == set(ALL)
    assert {word for word in TABLE.values() if word} == set(get_args(Rejection))


@pytest.mark.parametrize("kind", ALL)
def test_where_something_was_bought_nobody_was_turned_away(kind: type[GatewayError]) -> None:
    error = an_error(kind)
    error.bought = Bought("job_1")
    assert rejection(error) is None


def test_a_class_without_a_row_goes_by_its_nearest_ancestor() -> None:
    class Newer(errors.QuotaExceeded):
        pass

    assert rejection(Newer("no")) == "quota"


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        (errors.InvalidRequest, "invalid"),
        (errors.BodyTooLarge, "too_large"),
        (errors.Unauthenticated, "auth"),
        (errors.RateLimited, "rate_limit"),
        (errors.QuotaExceeded, "quota"),
        (errors.UpstreamUnfunded, "unfunded"),
        (errors.Overloaded, "queue_full"),
        (errors.DeadlineExceeded, "deadline"),
        (errors.CreatesHeldBack, "breaker"),
        (errors.UpstreamThrottled, "throttled"),
        (errors.NoRoom, "overload"),
        (errors.Draining, "draining"),
        (errors.LedgerUnavailable, "journal"),
        (errors.UpstreamUnavailable, None),
        (errors.UpstreamOutcomeUnknown, None),
        (errors.TaskFailed, None),
        (errors.InternalError, None),
    ],
)
def test_the_word_says_whose_the_reason_is(kind: type[GatewayError], word: str | None) -> None:
    assert rejection(an_error(kind)) == word
