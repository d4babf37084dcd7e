"""Secrets that sign webhooks: their form, and the words for what breaks it."""

import base64
from collections.abc import Callable

import pytest

from gateway.catalog import webhook_secrets
from gateway.config.sections import Config
from gateway.config.signing import signing_keys

Faults = Callable[..., list[str]]

KEY = bytes(range(32))
SECRET = "whsec_" + base64.b64encode(KEY).decode()
OTHER = "whsec_" + base64.b64encode(b"o" * 24).decode()
FILE = "upstream: {{api_key: vendor-key}}\nkeys: [{{name: studio, key: a-word-of-my-own{}}}]\n{}"


def test_a_secret_is_base64_after_its_prefix() -> None:
    assert signing_keys(SECRET) == (KEY,)
    assert signing_keys(SECRET.rstrip("=")) == (KEY,)


def test_of_several_each_signs_in_their_order() -> None:
    assert signing_keys(f"{SECRET} {OTHER}") == (KEY, b"o" * 24)


@pytest.mark.parametrize(
    ("secret", "fault"),
    [
        ("", "must not be empty"),
        ("   ", "must not be empty"),
        (SECRET.removeprefix("whsec_"), "must begin with whsec_, each where there are several"),
        (f"{SECRET} abc", "must begin with whsec_, each where there are several"),
        ("whsec_", "must be base64 of 24 to 64 bytes after whsec_"),
        ("whsec_*no-base64*", "must be base64 after whsec_"),
        ("whsec_" + "A" * 29, "must be base64 after whsec_"),
        (
            "whsec_" + base64.b64encode(b"x" * 23).decode(),
            "must be base64 of 24 to 64 bytes after whsec_",
        ),
        (
            "whsec_" + base64.b64encode(b"x" * 65).decode(),
            "must be base64 of 24 to 64 bytes after whsec_",
        ),
    ],
)
def test_what_is_wrong_with_a_secret_is_told_without_it(
    told: Faults, secret: str, fault: str
) -> None:
    quoted = f"'{secret}'"
    of_a_key = FILE.format(f", webhook_secret: {quoted}", "")
    (said,) = told(of_a_key, needed=False)
    assert said.endswith(f"keys[0].webhook_secret: {fault}")
    (said,) = told(FILE.format("", f"webhooks: {{secret: {quoted}}}\n"), needed=False)
    assert said.endswith(f"webhooks.secret: {fault}")
    assert len(secret) < 8 or secret not in said


def config(own: str | None, common: str | None) -> Config:
    key = {"name": "studio", "key": "a-word-of-my-own", "webhook_secret": own}
    sections = {"upstream": {"api_key": "k"}, "webhooks": {"secret": common}}
    return Config.model_validate({"keys": [key], **sections})


def test_a_key_s_own_secret_stands_in_the_place_of_the_common_one() -> None:
    assert webhook_secrets(config(None, None)) == {}
    assert webhook_secrets(config(None, SECRET)) == {"studio": (KEY,)}
    assert webhook_secrets(config(OTHER, SECRET)) == {"studio": (b"o" * 24,)}
