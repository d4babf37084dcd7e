import pytest

from gateway.access.keys import Key
from gateway.openai.manners import Manner, manner_of, passed_over
from gateway.translate.model import note

HEADER = "x-gateway-keepalive"
IGNORED = (note("keepalive-ignored"),)


@pytest.mark.parametrize(
    ("headers", "keepalive", "stream", "http", "manner"),
    [
        ({}, "none", False, "1.1", "whole"),
        ({}, "whitespace", False, "1.1", "whitespace"),
        ({HEADER: "whitespace"}, "none", False, "1.1", "whitespace"),
        ({HEADER: " Whitespace "}, "none", False, "1.1", "whitespace"),
        ({HEADER: "none"}, "whitespace", False, "1.1", "whole"),
        ({HEADER: ""}, "whitespace", False, "1.1", "whitespace"),
        ({HEADER: "spaces"}, "whitespace", False, "1.1", "whitespace"),
        ({HEADER: "spaces"}, "none", False, "1.1", "whole"),
        ({HEADER: "whitespace"}, "none", False, "1.0", "whole"),
        ({}, "whitespace", False, "1.0", "whole"),
        ({HEADER: "whitespace"}, "whitespace", True, "1.1", "stream"),
        ({"prefer": "respond-async"}, "whitespace", False, "1.1", "later"),
        ({"prefer": "wait=5, respond-async;x=1"}, "none", False, "1.1", "later"),
        ({"prefer": "respond-async"}, "none", True, "1.1", "stream"),
        ({"prefer": "respond-later"}, "none", False, "1.1", "whole"),
    ],
)
def test_what_asks_for_which_manner(
    headers: dict[str, str], keepalive: str, http: str, manner: Manner, *, stream: bool
) -> None:
    key = Key("studio", keepalive=keepalive)
    assert manner_of(headers, key, stream=stream, http=http) == manner


@pytest.mark.parametrize(
    ("asked", "manner", "noted"),
    [
        (None, "whole", False),
        ("", "whole", False),
        ("none", "whole", False),
        ("whitespace", "whitespace", False),
        ("whitespace", "whole", True),  # over HTTP/1.0
        ("spaces", "whole", True),
        ("spaces", "whitespace", True),  # by the key's setting
        ("spaces", "stream", False),
        ("whitespace", "stream", False),
        ("whitespace", "later", False),
    ],
)
def test_a_header_that_is_not_heeded_is_noted(
    asked: str | None, manner: Manner, *, noted: bool
) -> None:
    headers = {} if asked is None else {HEADER: asked}
    assert passed_over(headers, manner) == (IGNORED if noted else ())
