import contextlib
import hmac

import pytest

from gateway.access import keys as subject
from gateway.access.keys import Keys, credential_names, may_be_strong
from gateway.config.credentials import digest_of, expiry_of, new_key
from gateway.config.sections import Key
from gateway.errors import Unauthenticated

NOW = expiry_of("2027-01-31") - 1
MADE, OLD, GONE = new_key(), new_key(), new_key()


def section(**settings: object) -> Key:
    return Key.model_validate(settings)


KEYS = Keys(
    [
        section(name="studio", key="sk-igw-one"),
        section(
            name="lab",
            id=MADE.id,
            sha256=digest_of(MADE.key),
            weight=3,
            models=["gpt-image-2"],
            max_tier="2k",
            max_quality="low",
            max_n=4,
            limits={"concurrent": 2},
            also=[
                {"key": OLD.key, "expires": "2027-01-31"},
                {"id": GONE.id, "sha256": digest_of(GONE.key), "disabled": True},
                {"id": "ownword1", "sha256": digest_of("a word of one's own")},
                {"key": "another word"},
            ],
        ),
        section(name="closed", disabled=True, key="closed-word", also=[{"key": "closed-too"}]),
    ]
)


def refused(token: str | None, now: float = NOW) -> Unauthenticated:
    with pytest.raises(Unauthenticated) as caught:
        KEYS.identify(token, now)
    return caught.value


def test_a_configured_token_is_somebodys() -> None:
    assert KEYS.identify("sk-igw-one", NOW).name == "studio"
    assert KEYS.identify(MADE.key, NOW).name == "lab"


def test_a_key_can_be_had_by_its_name_while_one_of_its_credentials_is_good() -> None:
    key = KEYS.named("lab", NOW)
    assert (key.name, key.credential, key.max_tier) == ("lab", MADE.id, "2k")
    for name, fault in (("closed", "disabled"), ("nobody", "unknown"), ("", "unknown")):
        with pytest.raises(Unauthenticated) as caught:
            KEYS.named(name, NOW)
        assert (caught.value.reason, caught.value.key_name) == (fault, name)
    rotated = Keys(
        [
            section(
                name="rotated",
                key="first-word",
                expires="2027-01-31",
                also=[{"key": "second-word", "expires": "2027-02-28"}],
            )
        ]
    )
    assert rotated.named("rotated", NOW).credential == "key"
    assert rotated.named("rotated", NOW + 86_400).credential == "also[0]"
    with pytest.raises(Unauthenticated, match="Incorrect") as caught:
        rotated.named("rotated", NOW + 60 * 86_400)
    assert caught.value.reason == "expired"


def test_a_key_brings_along_what_it_may() -> None:
    key = KEYS.identify(MADE.key, NOW)

    assert (key.weight, key.limits.concurrent, key.models) == (3, 2, ("gpt-image-2",))
    assert (key.max_tier, key.max_quality, key.max_n) == ("2k", "low", 4)


def test_all_credentials_of_a_key_are_the_same_key_and_each_has_its_name() -> None:
    tokens = (MADE.key, OLD.key, "a word of one's own", "another word")
    shown = [KEYS.identify(token, NOW) for token in tokens]

    assert {(one.name, one.weight, one.max_n) for one in shown} == {("lab", 3, 4)}
    assert [one.credential for one in shown] == [MADE.id, OLD.id, "ownword1", "also[3]"]
    assert KEYS.identify("sk-igw-one", NOW).credential == "key"


def test_only_a_token_of_the_generated_form_may_be_strong() -> None:
    assert all(may_be_strong(token) for token in (MADE.key, OLD.key))
    assert not may_be_strong("a word of one's own")
    assert not may_be_strong(MADE.key[:-1])


def test_a_credential_is_good_until_the_end_of_its_day() -> None:
    assert KEYS.identify(OLD.key, NOW + 0.9).name == "lab"
    fault = refused(OLD.key, NOW + 1)

    assert (fault.reason, fault.key_name, fault.code) == ("expired", "lab", "invalid_api_key")
    assert KEYS.identify(MADE.key, NOW + 1).name == "lab"


@pytest.mark.parametrize(
    ("token", "name"), [(GONE.key, "lab"), ("closed-word", "closed"), ("closed-too", "closed")]
)
def test_a_disabled_credential_is_refused_and_all_of_a_disabled_key(token: str, name: str) -> None:
    fault = refused(token)

    assert (fault.reason, fault.key_name) == ("disabled", name)


@pytest.mark.parametrize("token", [None, ""])
def test_no_token_is_told_apart_from_a_wrong_one(token: str | None) -> None:
    fault = refused(token)

    assert (fault.code, fault.reason, fault.key_name) == (None, "missing", None)


@pytest.mark.parametrize(
    "token",
    [
        "sk-igw-on",
        "sk-igw-one ",
        "SK-IGW-ONE",
        "\udc80",
        "x" * 10**6,
        new_key().key,
        MADE.key[:-1] + ("a" if MADE.key[-1] != "a" else "b"),
        f"sk-igw-{MADE.id}-{OLD.key[-43:]}",
        f"sk-igw-ownword1-{MADE.key[-43:]}",
        digest_of(MADE.key),
        "0" * 64,
    ],
)
def test_a_wrong_token_is_told_in_one_way_and_never_echoed(token: str) -> None:
    fault = refused(token)

    assert (fault.code, fault.reason, fault.key_name) == ("invalid_api_key", "unknown", None)
    assert "igw" not in fault.message


def test_the_caller_is_told_the_same_whatever_is_wrong_with_a_token() -> None:
    told = {
        (fault.message, fault.code, fault.param)
        for fault in (refused("unknown-word"), refused(GONE.key), refused(OLD.key, NOW + 1))
    }

    assert len(told) == 1


@pytest.mark.parametrize(
    "token", [MADE.key, f"sk-igw-{MADE.id}-{'x' * 43}", new_key().key, "sk-igw-one", "unknown"]
)
def test_every_token_is_hashed_once_and_compared_once(
    token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    compare = hmac.compare_digest

    def digested(text: str) -> str:
        done.append("digest")
        return digest_of(text)

    def compared(one: str, other: str) -> bool:
        done.append(f"compare {len(one)} {len(other)}")
        return compare(one, other)

    monkeypatch.setattr(subject, "digest_of", digested)
    monkeypatch.setattr("hmac.compare_digest", compared)
    with contextlib.suppress(Unauthenticated):
        KEYS.identify(token, NOW)

    assert done == ["digest", "compare 64 64"]


def test_credentials_without_an_id_are_called_by_their_place() -> None:
    named = section(name="a", key="first-word", also=[{"key": MADE.key}, {"key": "third-word"}])

    assert [name for name, _ in credential_names(named)] == ["key", MADE.id, "also[1]"]


def test_keys_are_not_shown() -> None:
    assert "sk-igw" not in repr(KEYS)
    assert "studio" in repr(KEYS)
