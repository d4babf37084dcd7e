"""Words that the whole command does not come to say by itself; the rest is in test_starting.py."""

import errno
import os

import pytest
from pydantic import SecretStr

from gateway.cli.hindrances import StartFailed, hindrance
from gateway.config.sections import Config
from gateway.errors import GatewayError, InternalError, LedgerUnavailable
from tests.canaries import CLIENT_KEY, VENDOR_KEY

CONFIG = Config.model_validate(
    {
        "upstream": {"api_key": SecretStr(VENDOR_KEY)},
        "keys": [{"name": "studio", "key": CLIENT_KEY}],
        "images": {"folder": "/srv/pictures"},
    }
)


def test_a_path_outside_the_folder_of_pictures_is_named_without_advice_about_that() -> None:
    fault = OSError(errno.EACCES, os.strerror(errno.EACCES), "/srv/other")
    assert hindrance(fault, CONFIG) == StartFailed(reason="/srv/other: Permission denied")


@pytest.mark.parametrize("kind", [InternalError, LedgerUnavailable])
def test_without_a_cause_the_fault_s_own_words_are_told(kind: type[GatewayError]) -> None:
    assert hindrance(kind("It does not go."), CONFIG) == StartFailed(reason="It does not go.")


def test_an_error_that_says_nothing_is_told_by_its_name() -> None:
    assert hindrance(TimeoutError(), CONFIG).reason.endswith("at the start: TimeoutError")
