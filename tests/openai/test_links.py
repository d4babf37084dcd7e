import pytest

from gateway.openai.links import BaseUrls
from gateway.openai.tokens import token_of

FORWARDED = {
    "host": "inner:8080",
    "x-forwarded-proto": "https, http",
    "x-forwarded-host": "pictures.example, inner",
}


def test_a_public_url_wins() -> None:
    urls = BaseUrls("https://pictures.example/", ["10.0.0.0/8"])
    assert urls.base_url("http", "10.0.0.1", FORWARDED) == "https://pictures.example"


def test_otherwise_it_is_the_requests_own_scheme_and_host() -> None:
    urls = BaseUrls(None, [])
    assert urls.base_url("http", "10.0.0.1", FORWARDED) == "http://inner:8080"
    assert urls.base_url("https", None, {"host": "[::1]:8080"}) == "https://[::1]:8080"


@pytest.mark.parametrize("peer", ["10.0.0.1", "::1"])
def test_a_trusted_proxy_is_believed(peer: str) -> None:
    urls = BaseUrls(None, ["10.0.0.0/8", "::1"])
    assert urls.base_url("http", peer, FORWARDED) == "https://pictures.example"


@pytest.mark.parametrize("peer", ["192.168.0.1", None, "", "unix"])
def test_anybody_else_is_not(peer: str | None) -> None:
    urls = BaseUrls(None, ["10.0.0.0/8"])
    assert urls.base_url("http", peer, FORWARDED) == "http://inner:8080"


@pytest.mark.parametrize("host", ["evil.example/x", 'a"b', "a b", "a\r\nb", "", "<script>"])
def test_a_host_that_is_none_does_not_get_into_links(host: str) -> None:
    assert BaseUrls(None, []).base_url("http", None, {"host": host}) == "http://localhost"


def test_a_scheme_that_is_none_does_not_either() -> None:
    urls = BaseUrls(None, ["10.0.0.0/8"])
    headers = {"host": "h", "x-forwarded-proto": "javascript"}
    assert urls.base_url("http", "10.0.0.1", headers) == "http://h"


@pytest.mark.parametrize(
    ("headers", "token"),
    [
        ({"authorization": "Bearer abc"}, "abc"),
        ({"authorization": "bEaReR  abc "}, "abc"),
        ({"authorization": "Bearer"}, None),
        ({"authorization": "Basic abc"}, None),
        ({"authorization": "Basic abc", "api-key": "k"}, "k"),
        ({"api-key": " k "}, "k"),
        ({"x-api-key": "k"}, "k"),
        ({"api-key": ""}, None),
        ({}, None),
    ],
)
def test_a_token_is_found_where_clients_put_it(headers: dict[str, str], token: str | None) -> None:
    assert token_of(headers) == token
