import pytest

from gateway.access.keys import Keys
from gateway.config.sections import Key
from gateway.errors import Unauthenticated

KEYS = Keys(
    [
        Key.model_validate({"name": "studio", "key": "sk-igw-one"}),
        Key.model_validate({"name": "lab", "key": "sk-igw-two"}),
    ]
)


def test_a_configured_token_is_somebodys() -> None:
    assert KEYS.identify("sk-igw-one").name == "studio"
    assert KEYS.identify("sk-igw-two").name == "lab"


@pytest.mark.parametrize("token", [None, ""])
def test_no_token_is_told_apart_from_a_wrong_one(token: str | None) -> None:
    with pytest.raises(Unauthenticated) as caught:
        KEYS.identify(token)
    assert caught.value.code is None


@pytest.mark.parametrize("token", ["sk-igw-on", "sk-igw-one ", "SK-IGW-ONE", "\udc80", "x" * 10**6])
def test_a_wrong_token_is_told_in_one_way_and_never_echoed(token: str) -> None:
    with pytest.raises(Unauthenticated) as caught:
        KEYS.identify(token)
    assert caught.value.code == "invalid_api_key"
    assert "igw" not in caught.value.message


def test_keys_are_not_shown() -> None:
    assert "sk-igw" not in repr(KEYS)
    assert "studio" in repr(KEYS)
