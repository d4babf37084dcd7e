import pytest

from gateway.web.policy import AddressRefused, Policy, check_addresses, is_public, origin

VENDOR = Policy(origins=frozenset({"http://127.0.0.1:9800"}), hosts=frozenset({"intranet"}))


@pytest.mark.parametrize(
    "url",
    [
        "https://files.example.org/a.png",
        "https://FILES.example.org:443/a.png?sig=a%2Bb",
        "http://127.0.0.1:9800/files/a.png",
        "http://intranet/a.png",
        "https://intranet:8443/a.png",
        "https://xn--bcher-kva.example/a",
    ],
)
def test_public_names_and_configured_hosts_are_followed(url: str) -> None:
    VENDOR.check(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://files.example.org/a.png",
        "https://files.example.org:8443/a.png",
        "https://127.0.0.1/a.png",
        "https://2130706433/a.png",
        "https://0x7f000001/a.png",
        "https://127.1/a.png",
        "https://0/a.png",
        "https://[::1]/a.png",
        "https://[::ffff:127.0.0.1]/a.png",
        "https://localhost/a.png",
        "https://user@files.example.org/a.png",
        "https://user:pass@files.example.org/a.png",
        "https://ⓛocalhost/a.png",
        "https://127。0。0。1/a.png",
        "https://files.example.org\\@evil.example.org/a.png",
        "https://files.example.org/a b.png",
        "https://files.example.org/a\r\nHost: x",
        "https://files.example.org:99999/a",
        "https://files.example.org:x/a",
        "https://[oops/a",
        "file:///etc/passwd",
        "ftp://files.example.org/a",
        "data:image/png;base64,AAAA",
        "//files.example.org/a",
        "http://127.0.0.1:9801/files/a.png",
        "http://127.0.0.1/files/a.png",
        "https://files.example.org/" + "a" * 9000,
        "https://-bad.example.org/a",
        "https://xn--a.com/a",  # in no script at all
        "https://xn--0.example.org/a",
        "https://example.123/a",
        "",
    ],
)
def test_everything_else_is_refused(url: str) -> None:
    with pytest.raises(AddressRefused):
        VENDOR.check(url)


def test_a_list_of_hosts_excludes_all_others_but_the_vendors_origin() -> None:
    policy = Policy(
        origins=frozenset({"https://toapis.com:443"}), only_hosts=frozenset({"files.toapis.com"})
    )
    policy.check("https://files.toapis.com/a.png")
    policy.check("https://toapis.com/a.png")
    with pytest.raises(AddressRefused, match="not one of those"):
        policy.check("https://files.example.org/a.png")


@pytest.mark.parametrize(
    "address",
    [
        "93.184.216.34",
        "192.0.1.1",
        "192.88.98.255",
        "2606:2800:220:1:248:1893:25c8:1946",
        "2001:200::1",
        "2400:cb00::1",
        "3ffe::1",
    ],
)
def test_public_addresses_are(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1%eth0",
        "fc00::1",
        "ff02::1",
        "64:ff9b::7f00:1",
        "64:ff9b:1::1",
        "2002:7f00:1::",
        "2001:0:7f00:1::",
        "::ffff:127.0.0.1",
        "::127.0.0.1",
        "0.1.2.3",
        "192.0.0.1",
        "192.0.0.9",
        "192.0.0.171",
        "192.0.0.255",
        "192.0.2.1",
        "192.88.99.1",
        "198.18.0.1",
        "198.19.255.255",
        "198.51.100.1",
        "203.0.113.1",
        "240.0.0.1",
        "100::1",
        "100:0:0:1::1",
        "2001:1::1",
        "2001:2::1",
        "2001:10::1",
        "2001:20::1",
        "2001:30::1",
        "2001:1ff:ffff::1",
        "2001:db8::1",
        "3fff::1",
        "3fff:fff:ffff::1",
        "4000::1",
        "5f00::1",
        "fec0::1",
        "feff::1",
        "::a00:1",
    ],
)
def test_private_addresses_and_tunnels_are_not_public(address: str) -> None:
    assert not is_public(address)


def test_one_private_address_spoils_the_name() -> None:
    check_addresses(["93.184.216.34"])
    with pytest.raises(AddressRefused):
        check_addresses(["93.184.216.34", "127.0.0.1"])


def test_an_origin_has_its_port() -> None:
    assert origin("https://Toapis.com/v1") == "https://toapis.com:443"
    assert origin("http://127.0.0.1:9800") == "http://127.0.0.1:9800"


def test_hosts_are_exempt_by_name_whatever_the_case() -> None:
    assert VENDOR.exempt("INTRANET")
    assert VENDOR.exempt("127.0.0.1")
    assert not VENDOR.exempt("example.org")
