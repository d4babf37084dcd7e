from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config import addresses


@pytest.mark.parametrize(
    ("given_url", "kept"),
    [
        ("https://toapis.com", "https://toapis.com"),
        ("https://toapis.com/", "https://toapis.com"),
        ("https://toapis.com/v1", "https://toapis.com"),
        ("https://toapis.com/v1/", "https://toapis.com"),
        ("https://toapis.com//v1//", "https://toapis.com"),
        ("https://x.example/api/v1", "https://x.example/api"),
        ("https://x.example:8443/v1", "https://x.example:8443"),
        ("https://v1", "https://v1"),
        ("http://127.0.0.1:9800", "http://127.0.0.1:9800"),
        ("http://localhost:9800/v1", "http://localhost:9800"),
        ("http://[::1]:9800", "http://[::1]:9800"),
        ("HTTP://LOCALHOST", "http://LOCALHOST"),
    ],
)
def test_a_base_url_is_taken_with_or_without_v1(given_url: str, kept: str) -> None:
    assert addresses.base_url(given_url) == kept


@pytest.mark.parametrize(
    "url",
    [
        "",
        "toapis.com",
        "//toapis.com",
        "ftp://toapis.com",
        "https://",
        "https:///v1",
        "https://:443",
        "https://toapis.com:0",
        "https://toapis.com:x",
        "https://[::1",
        "https://a@toapis.com",
        "https://a:b@toapis.com",
        "https://toapis.com?x=1",
        "https://toapis.com/#x",
        "https://to apis.com",
        "https://toapis.com\n",
        "https://toapis.com\\@evil.example",
        "https://tö.example",
        "https://a_b.example%2f",
        "http://toapis.com",
        "http://10.0.0.1",
        "http://127.0.0.1.evil.example",
        "http://simulator:9800",
        "http://0.0.0.0",
    ],
)
def test_a_base_url_that_will_not_do_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(ValueError, match="must") as caught:
        addresses.base_url(url)

    assert len(url) < 10 or url not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["https://images.example", "http://10.1.2.3:8080", "https://x.example/pictures"]
)
def test_a_public_url_is_kept_as_it_is(url: str) -> None:
    assert addresses.public_url(url) == url


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("localhost", True),
        ("LocalHost.", True),
        ("0.0.0.0", False),
        ("::", False),
        ("10.0.0.1", False),
        ("localhost.example", False),
        ("127.1", False),
    ],
)
def test_loopback_is_told_from_the_rest(host: str, *, loopback: bool) -> None:
    assert addresses.is_loopback(host) is loopback


@pytest.mark.parametrize("value", ["10.0.0.0/8", "10.0.0.1/8", "192.168.1.1", "::1", "fd00::/8"])
def test_networks_and_addresses_are_networks(value: str) -> None:
    assert addresses.network(value) == value


@pytest.mark.parametrize("value", ["", "10.0.0.0/33", "10.0.0", "proxy", "10.0.0.0/8 ", "*"])
def test_anything_else_is_no_network(value: str) -> None:
    with pytest.raises(ValueError, match="network such as"):
        addresses.network(value)


@pytest.mark.parametrize(
    "value", ["localhost", "0.0.0.0", "::", "::1", "a.b-c.example", "under_score"]
)
def test_names_and_addresses_are_hosts(value: str) -> None:
    assert addresses.host(value) == value


@pytest.mark.parametrize(
    "value",
    ["", " ", "a b", "a/b", "a:80", "https://a", "a@b", "-a", "a.", "[::1]", "a\n", "x" * 255],
)
def test_anything_else_is_no_host(value: str) -> None:
    with pytest.raises(ValueError, match="must be a host name"):
        addresses.host(value)


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///data/state.db", "data/state.db"),
        ("sqlite:////var/lib/gateway/state.db", "/var/lib/gateway/state.db"),
        ("sqlite:///x", "x"),
        ("memory://", None),
    ],
)
def test_a_ledger_is_a_file_or_the_memory(url: str, path: str | None) -> None:
    assert addresses.ledger_path(addresses.state_url(url)) == path


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("", "must be sqlite:///…, or memory://"),
        ("memory", "must be sqlite:///…, or memory://"),
        ("memory://x", "must be sqlite:///…, or memory://"),
        ("data/state.db", "must be sqlite:///…, or memory://"),
        ("sqlite", "must be sqlite:/// and a file's path"),
        ("sqlite://", "must be sqlite:/// and a file's path"),
        ("sqlite:///", "must be sqlite:/// and a file's path"),
        ("sqlite://data/state.db", "must be sqlite:/// and a file's path"),
        ("sqlite:///data/state.db?mode=ro", "must be sqlite:/// and a file's path"),
        ("sqlite:///data/", "must name a file, not a folder"),
        ("sqlite:////", "must name a file, not a folder"),
        ("postgres://u:hunter2@db/x", "several replicas in a later version"),
        ("postgresql://u:hunter2@db/x", "several replicas in a later version"),
    ],
)
def test_any_other_ledger_is_refused_without_repeating_it(url: str, why: str) -> None:
    with pytest.raises(ValueError, match=why) as caught:
        addresses.state_url(url)

    assert "hunter2" not in str(caught.value)


@given(st.text())
@pytest.mark.parametrize(
    "check",
    [
        addresses.base_url,
        addresses.public_url,
        addresses.network,
        addresses.host,
        addresses.state_url,
        addresses.web_origin,
    ],
)
def test_no_text_breaks_a_check(check: Callable[[str], str], text: str) -> None:
    message = "must"
    try:
        assert check(text)
    except ValueError as fault:
        message = str(fault)
    assert message.startswith("must")


@pytest.mark.parametrize(
    ("origin", "kept"),
    [
        ("*", "*"),
        ("https://A.example", "https://a.example"),
        ("https://a.example/", "https://a.example"),
        ("https://a.example:443", "https://a.example"),
        ("http://a.example:80", "http://a.example"),
        ("http://a.example:443", "http://a.example:443"),
        ("http://localhost:5173", "http://localhost:5173"),
        ("http://[::1]:80", "http://[::1]"),
        ("app://.", "app://."),
        ("tauri://localhost", "tauri://localhost"),
        ("chrome-extension://abcdef", "chrome-extension://abcdef"),
    ],
)
def test_an_origin_is_kept_as_browsers_send_it(origin: str, kept: str) -> None:
    assert addresses.web_origin(origin) == kept


@pytest.mark.parametrize(
    "origin",
    ["", "null", "a.example", "https://a.example/page", "https://*.a.example", "app://a/b", "://a"],
)
def test_what_no_browser_sends_is_no_origin(origin: str) -> None:
    with pytest.raises(ValueError, match="must"):
        addresses.web_origin(origin)
