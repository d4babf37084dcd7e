"""Rules of client keys, each with the exact words for its breach; no secret is in any of them."""

from collections.abc import Callable

import pytest

from gateway.config.credentials import EXPIRY, digest_of, new_key

Faults = Callable[..., list[str]]

MADE = new_key()
OTHER = new_key()
SHA = digest_of(MADE.key)
OTHER_SHA = digest_of(OTHER.key)
VENDOR = "upstream: {api_key: vendor-key}\n"
ONE_WAY = "given beside key; a credential is key, or id and sha256"
REQUIRED = "is required (or key_file, or id and sha256)"


def entry(words: str) -> str:
    return f"{VENDOR}keys: [{{name: studio, {words}}}]\n"


@pytest.mark.parametrize(
    "words",
    [
        f"key: {MADE.key}",
        f"id: {MADE.id}, sha256: {SHA}",
        f"id: {MADE.id}, sha256: {SHA.upper()}",
        "key: a-word-of-my-own, expires: 2027-01-31, disabled: true",
        f"key: a-word-of-my-own, also: [{{id: {MADE.id}, sha256: {SHA}, expires: null}}]",
        "key: a-word-of-my-own, models: [gpt-image-2], max_tier: 2k, max_quality: low, max_n: 10",
    ],
)
def test_what_may_be_said_of_a_key(told: Faults, words: str) -> None:
    assert told(entry(words), needed=False) == []


@pytest.mark.parametrize(
    ("words", "faults"),
    [
        ("weight: 2", [f"key: {REQUIRED}"]),
        ("key: null", [f"key: {REQUIRED}"]),
        (f"key: a-word-of-my-own, id: {MADE.id}", [f"id: {ONE_WAY}"]),
        (
            f"key: a-word-of-my-own, id: {MADE.id}, sha256: {SHA}",
            [f"id: {ONE_WAY}", f"sha256: {ONE_WAY}"],
        ),
        (f"id: {MADE.id}", ["sha256: is required beside id"]),
        (f"sha256: {SHA}", ["id: is required beside sha256"]),
        (f"id: A!, sha256: {SHA}", ["id: must be 4 to 32 lower-case letters and digits"]),
        (
            f"id: abcd, sha256: {SHA[1:]}",
            ["sha256: must be the 64 hexadecimal digits of a SHA-256"],
        ),
        (
            "key: a-word-of-my-own, expires: soon",
            [f"expires: must be {EXPIRY}"],
        ),
        ("key: a-word-of-my-own, disabled: 1", ["disabled: must be true or false"]),
        ("key: a-word-of-my-own, max_tier: 8k", ["max_tier: must be '1k', '2k' or '4k'"]),
        ("key: a-word-of-my-own, max_n: 11", ["max_n: must be at most 10"]),
        ("key: a-word-of-my-own, max_n: 0", ["max_n: must be 1 or more"]),
        ("key: a-word-of-my-own, also: [{}]", [f"also[0].key: {REQUIRED}"]),
        (
            "key: a-word-of-my-own, also: [{key: short}]",
            ["also[0].key: must be 8 characters or longer"],
        ),
        (
            "key: a-word-of-my-own, also: [{key: a-word-of-my-own}]",
            ["also[0].key: is the key of keys[0] too"],
        ),
        (
            "key: a-word-of-my-own, models: [dall-e-3]",
            ["models[0]: is an alias; write the model's own name, gpt-image-2"],
        ),
        (
            "key: a-word-of-my-own, models: [gpt-image-3]",
            ["models[0]: is no configured model; did you mean gpt-image-2?"],
        ),
        (
            "key: a-word-of-my-own, models: [gpt-image-2, midjourney]",
            ["models[1]: is no configured model; known: gpt-image-2"],
        ),
    ],
)
def test_what_may_not(told: Faults, words: str, faults: list[str]) -> None:
    assert told(entry(words), needed=False) == [f"config.yaml:2: keys[0].{one}" for one in faults]


def test_a_plain_key_and_its_digest_are_one_key(told: Faults) -> None:
    text = (
        f"{VENDOR}keys:\n  - {{name: a, key: {MADE.key}}}\n"
        f"  - {{name: b, id: {MADE.id}, sha256: {SHA.upper()}}}\n"
    )

    assert told(text, needed=False) == ["config.yaml:4: keys[1].sha256: is the key of keys[0] too"]


def test_an_id_is_one_credentials_alone(told: Faults) -> None:
    text = (
        f"{VENDOR}keys:\n  - {{name: a, id: {MADE.id}, sha256: {OTHER_SHA}}}\n"
        f"  - {{name: b, key: a-word-of-my-own, also: [{{key: {MADE.key}}}]}}\n"
    )

    assert told(text, needed=False) == [
        "config.yaml:4: keys[1].also[0].key: the id is that of keys[0] too"
    ]


def test_no_fault_tells_a_key_or_a_digest(told: Faults) -> None:
    text = (
        f"{VENDOR}keys:\n  - {{name: a, key: {MADE.key}, sha256: {SHA}}}\n"
        f"  - {{name: a, key: {MADE.key}, id: {MADE.key}}}\n  - {{name: c, sha256: {OTHER.key}}}\n"
    )

    faults = told(text, needed=False)

    assert len(faults) == 6
    assert not any(
        secret[:20] in fault for fault in faults for secret in (MADE.key, SHA, OTHER.key)
    )


PRICED = "{tier_1k: {low: 0.01}, tier_2k: {low: 0.02}}"
PRICELESS = "is required, for keys[0] has a limit of cost"
LIMITED = "limits: {cost_per_day: 5}"


def test_a_limit_of_cost_needs_every_price_that_may_be_asked_for(told: Faults) -> None:
    text = (
        f"{VENDOR}models: {{gpt-image-2: {{prices: {PRICED}}}, other: {{}}}}\n"
        f"keys: [{{name: a, key: a-word-of-my-own, {LIMITED}, models: [gpt-image-2],"
        " max_tier: 2k, max_quality: medium}]\n"
    )

    assert told(text, needed=False) == [
        f"config.yaml:2: models.gpt-image-2.prices.tier_1k.medium: {PRICELESS}",
        f"config.yaml:2: models.gpt-image-2.prices.tier_2k.medium: {PRICELESS}",
    ]


def test_each_missing_price_is_told_once_and_for_every_model_without_a_choice(
    told: Faults,
) -> None:
    text = (
        f"{VENDOR}keys:\n  - {{name: a, key: a-word-of-my-own, limits: {{cost_per_month: 5}}}}\n"
        f"  - {{name: b, key: another-word, {LIMITED}}}\n"
    )

    faults = told(text, needed=False)

    assert len(faults) == 9
    assert all("models.gpt-image-2.prices.tier_" in one and "keys[0]" in one for one in faults)


def test_prices_are_enough_where_they_cover_what_the_key_may(told: Faults) -> None:
    text = (
        f"{VENDOR}models: {{gpt-image-2: {{prices: {PRICED}}}}}\n"
        f"keys: [{{name: a, key: a-word-of-my-own, {LIMITED}, max_tier: 2k, max_quality: low}}]\n"
    )

    assert told(text, needed=False) == []
