import datetime as dt
import hashlib

import pytest

from gateway.config import credentials
from gateway.config.credentials import digest_of, expiry_of, id_of, new_id, new_key

SECRET = "A" * 43


def test_a_new_key_has_the_form_and_all_of_it_is_random() -> None:
    made = [new_key() for _ in range(200)]

    assert all(one.key == f"sk-igw-{one.id}-{one.key[-43:]}" for one in made)
    assert all(id_of(one.key) == one.id for one in made)
    assert len({one.key[-43:] for one in made}) == len({one.id for one in made}) == len(made)
    assert any("-" in one.key[-43:] for one in made)


def test_ids_have_no_letters_that_look_like_digits() -> None:
    letters = set("".join(new_id() for _ in range(500)))

    assert len(new_id()) == 8
    assert letters <= set("0123456789abcdefghjkmnpqrstvwxyz")
    assert not letters & set("ilou")


def test_a_new_key_is_not_shown() -> None:
    made = new_key()

    assert made.key not in repr(made)


def test_the_digest_is_what_sha256sum_shows() -> None:
    assert digest_of("abc") == hashlib.sha256(b"abc").hexdigest()
    assert digest_of("\udcff") == hashlib.sha256(b"\xff").hexdigest()


@pytest.mark.parametrize(
    ("key", "key_id"),
    [
        (f"sk-igw-k3v9x2ab-{SECRET}", "k3v9x2ab"),
        (f"sk-igw-k3v9x2ab--{'-' * 41}_", "k3v9x2ab"),
        (f"sk-igw-k3v9x2ab-x-igw-abcdefgh-{'y' * 28}", "k3v9x2ab"),
        (f"sk-igw-k3v9x2ab-{SECRET}A", None),
        (f"sk-igw-k3v9x2ab-{SECRET[1:]}", None),
        (f"sk-igw-k3v9x2ab-{SECRET}\n", None),
        (f"sk-igw-K3V9X2AB-{SECRET}", None),
        (f"sk-igw--{SECRET}", None),
        (f"sk-k3v9x2ab-{SECRET}", None),
        ("", None),
    ],
)
def test_an_id_is_read_off_a_key_of_the_form_and_of_no_other(key: str, key_id: str | None) -> None:
    assert id_of(key) == key_id


@pytest.mark.parametrize(
    ("word", "moment"),
    [
        ("2027-01-31", dt.datetime(2027, 2, 1, tzinfo=dt.UTC)),
        ("2027-01-31T18:00:00Z", dt.datetime(2027, 1, 31, 18, tzinfo=dt.UTC)),
        ("2027-01-31 18:00+02:00", dt.datetime(2027, 1, 31, 16, tzinfo=dt.UTC)),
        ("2027-01-31T18:00:00.5-0330", dt.datetime(2027, 1, 31, 21, 30, 0, 500_000, dt.UTC)),
    ],
)
def test_a_date_lasts_to_its_end_and_a_moment_to_itself(word: str, moment: dt.datetime) -> None:
    assert expiry_of(word) == moment.timestamp()


@pytest.mark.parametrize(
    "word",
    ["", "tomorrow", "31.1.2027", "2027-1-31", "2027-02-30", "2027-01-31T18:00:00", "2027-W01-1"],
)
def test_what_is_no_moment_is_refused_in_words(word: str) -> None:
    with pytest.raises(ValueError, match=r"a date such as 2027-01-31") as caught:
        expiry_of(word)
    assert not word or word not in str(caught.value).replace(credentials.EXPIRY, "")
