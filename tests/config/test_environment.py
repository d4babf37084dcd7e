from collections.abc import Callable

import pytest
from pydantic import SecretStr

from gateway.config.loader import Loaded

Load = Callable[..., Loaded]
Faults = Callable[..., list[str]]


def look(loaded: Loaded, path: str) -> object:
    value: object = loaded.config
    for part in path.split("."):
        value = value[part] if isinstance(value, dict) else getattr(value, part)
    return value


@pytest.mark.parametrize(
    ("name", "content", "path", "value"),
    [
        ("SERVER__PORT", "8081", "server.port", 8081),
        ("SERVER__PORT", " 8081 ", "server.port", 8081),
        ("server__Port", "8081", "server.port", 8081),
        ("SERVER__BOUNDS__BODY", "64MB", "server.bounds.body", 64_000_000),
        ("SERVER__PUBLIC_URL", "https://x.example", "server.public_url", "https://x.example"),
        ("SERVER__PUBLIC_URL", "", "server.public_url", None),
        ("SERVER__PUBLIC_URL", "null", "server.public_url", None),
        (
            "SERVER__TRUSTED_PROXIES",
            "[10.0.0.0/8, '::1']",
            "server.trusted_proxies",
            ("10.0.0.0/8", "::1"),
        ),
        ("SERVER__TRUSTED_PROXIES", "- 10.0.0.0/8", "server.trusted_proxies", ("10.0.0.0/8",)),
        ("SERVER__TRUSTED_PROXIES", "[]", "server.trusted_proxies", ()),
        ("SERVER__HOST", '"::1"', "server.host", "::1"),
        ("SERVER__HOST", "'::1'", "server.host", "::1"),
        ("SERVER__HOST", "::1", "server.host", "::1"),
        ("IMAGES__LIFETIME", "90", "images.lifetime", 90.0),
        ("IMAGES__FOLDER", "/data: #1 [x] *y", "images.folder", "/data: #1 [x] *y"),
        ("IMAGES__FOLDER", "2025", "images.folder", "2025"),
        ("IMAGES__FOLDER", "${HOME}", "images.folder", "${HOME}"),
        ("REQUESTS__PARTIAL_RESULTS", "true", "requests.partial_results", True),
        ("REQUESTS__SIZES", "strict", "requests.sizes", "strict"),
        ("REQUESTS__SIZES", "~", "requests.sizes", None),
        ("UPSTREAM__POLLING__SCALE", "0.5", "upstream.polling.scale", 0.5),
        ("UPSTREAM__POLLING", "{scale: 2.0}", "upstream.polling.scale", 2.0),
        ("MODELS__GPT_IMAGE_2__MASKS", "false", "models.gpt-image-2.masks", False),
        ("MODELS__GPT-IMAGE-2__MASKS", "false", "models.gpt-image-2.masks", False),
        ("MODELS", "{gpt-image-2: {masks: false}}", "models.gpt-image-2.masks", False),
        ("LOG__LEVEL", "debug", "log.level", "debug"),
    ],
)
def test_a_variable_overrides_a_setting_and_is_its_source(
    load_text: Load, name: str, content: str, path: str, value: object
) -> None:
    section, _, rest = name.partition("__")
    full = f"GATEWAY__{section}__{rest}" if rest else f"GATEWAY__{section}"

    loaded = load_text("", {full: content})

    assert look(loaded, path) == value
    assert loaded.sources[path] == full


def test_a_variable_wins_over_the_file_and_leaves_the_rest_of_the_section(load_text: Load) -> None:
    loaded = load_text("server: {port: 1, host: localhost}\n", {"GATEWAY__SERVER__PORT": "2"})

    assert (loaded.config.server.port, loaded.config.server.host) == (2, "localhost")
    assert loaded.sources["server.host"] == "config.yaml:1"


def test_a_variable_makes_a_fault_of_the_file_moot(told: Faults) -> None:
    assert told("server: {port: ${NOPE}}\n", {"GATEWAY__SERVER__PORT": "2"}) == []
    assert told("server: {port: http}\n", {"GATEWAY__SERVER": "{port: 2}"}) == []


def test_a_whole_section_replaces_the_files(load_text: Load) -> None:
    loaded = load_text("server: {port: 1, host: localhost}\n", {"GATEWAY__SERVER": "{port: 2}"})

    assert (loaded.config.server.port, loaded.config.server.host) == (2, "127.0.0.1")
    assert loaded.sources["server.host"] == "default"


def test_the_deeper_variable_wins_over_the_outer(load_text: Load) -> None:
    environ = {"GATEWAY__SERVER": "{port: 2, host: localhost}", "GATEWAY__SERVER__PORT": "3"}

    server = load_text("", environ).config.server

    assert (server.port, server.host) == (3, "localhost")


def test_the_default_models_other_settings_stay_where_one_is_overridden(load_text: Load) -> None:
    loaded = load_text("", {"GATEWAY__MODELS__GPT_IMAGE_2__MAX_PROMPT": "100"})

    assert loaded.config.models["gpt-image-2"].max_prompt == 100
    assert "dall-e-3" in loaded.config.models["gpt-image-2"].aliases
    assert loaded.sources["models.gpt-image-2.aliases"] == "default"


def test_keys_are_changed_and_added_by_number(load_text: Load) -> None:
    environ = {
        "GATEWAY__KEYS__0__KEY": "12345678",
        "GATEWAY__KEYS__1__NAME": "second",
        "GATEWAY__KEYS__1__KEY": "sk-second",
        "GATEWAY__KEYS__1__LIMITS__CONCURRENT": "3",
        "GATEWAY__KEYS__2": "{name: third, key: sk-third}",
    }

    loaded = load_text("", environ)

    keys = [(key.name, key.key) for key in loaded.config.keys]
    assert keys == [
        ("studio", SecretStr("12345678")),
        ("second", SecretStr("sk-second")),
        ("third", SecretStr("sk-third")),
    ]
    assert loaded.config.keys[1].limits.concurrent == 3


def test_more_than_ten_keys_are_added_in_the_order_of_their_numbers(load_text: Load) -> None:
    environ = {f"GATEWAY__KEYS__{n}__NAME": f"k{n}" for n in range(12)}
    environ |= {f"GATEWAY__KEYS__{n}__KEY": f"sk-secret-{n}" for n in range(12)}

    assert [key.name for key in load_text("", environ).config.keys] == [f"k{n}" for n in range(12)]


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("SEVER__PORT", "; did you mean GATEWAY__SERVER__PORT?"),
        ("SERVER__PROT", "; did you mean GATEWAY__SERVER__PORT?"),
        ("SERVR", "; did you mean GATEWAY__SERVER?"),
        ("SERVER_PORT", "; did you mean GATEWAY__SERVER__PORT?"),
        ("UPSTREAM__API_KEY_FIL", "; did you mean GATEWAY__UPSTREAM__API_KEY?"),
        ("MODELS__GPT_IMAGE_3__MASKS", "; did you mean GATEWAY__MODELS__GPT_IMAGE_2__MASKS?"),
        ("KEYS__5__NAME", "; did you mean GATEWAY__KEYS__0__NAME?"),
        ("KEYS__X__NAME", "; did you mean GATEWAY__KEYS__0__NAME?"),
        ("ZZZ", ""),
        ("", ""),
        ("SERVER__", ""),
        ("SERVER__PORT__X", "; did you mean GATEWAY__SERVER__PORT?"),
        ("LOG__LEVEL_FILE", "; did you mean GATEWAY__LOG__LEVEL?"),
    ],
)
def test_a_variable_that_names_no_setting_is_a_fault_with_the_nearest(
    told: Faults, name: str, hint: str
) -> None:
    assert told("", {f"GATEWAY__{name}": "1"})[0].startswith(
        f"GATEWAY__{name}: names no setting{hint}"
    )


@pytest.mark.parametrize(
    "name", ["GATEWAY", "GATEWAY_", "GATEWAY_SERVER__PORT", "XGATEWAY__PORT", "gateway__x"]
)
def test_other_variables_are_none_of_our_business(told: Faults, name: str) -> None:
    assert told("", {name: "1"}) == []


@pytest.mark.parametrize(
    ("name", "content", "fault"),
    [
        ("SERVER__PORT", "http", "server.port: must be a whole number"),
        ("SERVER__PORT", '"1"', "server.port: must be a whole number"),
        ("SERVER__PORT", "", "server.port: must be a whole number, not empty"),
        ("SERVER", "1", "server: must be a mapping of names to settings"),
        ("SERVER", "{prot: 1}", "server.prot: unknown name; did you mean port?"),
        ("SERVER", "{port: 1, port: 2}", "server.port: given twice, first in line 1"),
        ("SERVER", "{port: 1", "server: a comma or a closing bracket is missing"),
        ("SERVER__TRUSTED_PROXIES", "10.0.0.1", "server.trusted_proxies: must be a list"),
        (
            "SERVER__TRUSTED_PROXIES",
            "[x]",
            "server.trusted_proxies[0]: must be an IP address or a network such as 10.0.0.0/8",
        ),
        ("KEYS", "[]", "keys: must have at least 1 entry"),
        (
            "MODELS__GPT_IMAGE_2__ALIASES",
            "[a, a]",
            "models.gpt-image-2.aliases[1]: is an alias of gpt-image-2 already",
        ),
    ],
)
def test_a_fault_in_a_variable_names_variable_and_setting(
    told: Faults, name: str, content: str, fault: str
) -> None:
    assert told("", {f"GATEWAY__{name}": content}) == [f"GATEWAY__{name}: {fault}"]


def test_a_variable_below_what_is_no_section_leaves_the_files_fault(told: Faults) -> None:
    assert told("server: 5\n", {"GATEWAY__SERVER__PORT": "2"}) == [
        "config.yaml:1: server: must be a mapping of names to settings"
    ]


def test_a_variable_is_put_into_a_section_the_file_left_empty(load_text: Load) -> None:
    assert load_text("server:\n", {"GATEWAY__SERVER__PORT": "2"}).config.server.port == 2
