import json
import os
import pathlib
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from gateway.config.faults import ConfigFaults
from gateway.config.loader import MAX_BYTES, Loaded, load
from gateway.config.sections import Config

Load = Callable[..., Loaded]
Faults = Callable[..., list[str]]

CANARY = "canary-7f3a9c2e0b"


def test_the_least_file_gives_every_default(load_text: Load) -> None:
    loaded = load_text("")

    assert loaded.config == Config.model_validate(
        {
            "upstream": {"api_key": "vendor-key"},
            "keys": [{"name": "studio", "key": "client-key"}],
        }
    )
    assert loaded.config.models["gpt-image-2"].aliases == (
        "gpt-image-1.5",
        "gpt-image-1",
        "dall-e-3",
        "dall-e-2",
    )


def test_every_value_has_a_source_and_only_given_ones_have_a_line(load_text: Load) -> None:
    text = "server:\n  port: 8081\n  trusted_proxies:\n    - 10.0.0.0/8\n"

    loaded = load_text(text, {"GATEWAY__LOG__LEVEL": "debug"})

    given_ones = {path: source for path, source in loaded.sources.items() if source != "default"}
    assert given_ones == {
        "server.port": "config.yaml:2",
        "server.trusted_proxies": "config.yaml:3",
        "upstream.api_key": "config.yaml:6",
        "keys[0].name": "config.yaml:8",
        "keys[0].key": "config.yaml:8",
        "log.level": "GATEWAY__LOG__LEVEL",
    }
    assert loaded.sources["server.host"] == "default"
    assert loaded.sources["models.gpt-image-2.masks"] == "default"


def test_the_product_pages_example_in_flow_style_is_read(load_text: Load) -> None:
    text = """\
server:   {host: 127.0.0.1, port: 8080, public_url: null}
ops:      {host: 127.0.0.1, port: 9464, token: null}
upstream: {base_url: https://toapis.com, api_key: ${TOAPIS_API_KEY}, submit_per_second: 5}
models:
  gpt-image-2: {aliases: [gpt-image-1.5, dall-e-3], max_images_per_task: 4}
keys:
  - {name: studio, key: ${STUDIO_KEY}, limits: {requests_per_minute: 60, concurrent: 8}}
images:   {folder: data/images, lifetime: 24h}
"""
    environ = {"TOAPIS_API_KEY": "sk-vendor", "STUDIO_KEY": "sk-studio"}

    config = load_text(text, environ, needed=False).config

    assert config.upstream.api_key.get_secret_value() == "sk-vendor"
    assert config.keys[0].key == SecretStr("sk-studio")
    assert config.keys[0].limits.concurrent == 8
    assert config.images.lifetime == 86_400


@pytest.mark.parametrize(
    ("line", "content", "value"),
    [
        ("server: {port: ${X}}", "8081", 8081),
        ("server: {port: ${X:-8082}}", "", 8082),
        ("server: {port: 80${X}}", "81", 8081),
        ("server: {port: ${X}}", "0x10", 16),
        ("server: {port: ${X}}", "0o17", 15),
        ("server: {port: ${X}}", "0017", 17),
    ],
)
def test_a_variable_in_a_plain_value_is_typed_afterwards(
    load_text: Load, line: str, content: str, value: int
) -> None:
    assert load_text(f"{line}\n", {"X": content}).config.server.port == value


def test_a_variable_in_quotes_stays_text(told: Faults) -> None:
    assert told('server: {port: "${X}"}\n', {"X": "8081"}) == [
        "config.yaml:1: server.port: must be a whole number"
    ]


@pytest.mark.parametrize(
    "content",
    ["8081, host: 0.0.0.0", "8081\nhost: x", "{a: b}", "[1]", "8081 # x", "*x", "!!int 1"],
)
def test_a_variable_can_bring_no_structure(told: Faults, content: str) -> None:
    assert told("server: {port: ${X}}\n", {"X": content}) == [
        "config.yaml:1: server.port: must be a whole number"
    ]


@pytest.mark.parametrize(
    "content", ["12345678", "1e10", "true", "null", "0x123456", "no", "[a]: *b"]
)
def test_where_only_text_belongs_a_variable_stays_text(load_text: Load, content: str) -> None:
    text = "upstream: {api_key: ${X}}\nkeys: [{name: ${X}, key: client-key}]\n"

    config = load_text(text, {"X": content.replace(" ", "")}, needed=False).config

    assert config.upstream.api_key.get_secret_value() == content.replace(" ", "")
    assert config.keys[0].name == content.replace(" ", "")


def test_an_empty_variable_is_null_where_null_may_stand(load_text: Load) -> None:
    text = "ops: {token: ${X}}\nrequests: {sizes: ${X:-}}\n"

    config = load_text(text, {"X": ""}).config

    assert config.ops.token is None
    assert config.requests.sizes is None


def test_an_empty_variable_is_no_key(told: Faults) -> None:
    assert told(
        "upstream: {api_key: ${X}}\nkeys: [{name: a, key: ${X}}]\n", {"X": ""}, needed=False
    ) == [
        "config.yaml:1: upstream.api_key: must not be empty",
        "config.yaml:2: keys[0].key: is required (or key_file, or id and sha256)",
    ]


@pytest.mark.parametrize(
    "text", ["server:\n", "server: {}\n", "server: ~\n", "server:\n  bounds:\n"]
)
def test_a_section_without_anything_is_no_section(load_text: Load, text: str) -> None:
    assert load_text(text).config.server == load_text("").config.server


def test_an_empty_section_below_a_list_or_a_model_is_no_section_either(load_text: Load) -> None:
    text = (
        "upstream: {api_key: k}\nmodels: {gpt-image-2: {}, other: }\n"
        "keys: [{name: a, key: abcdefgh, limits: }]\n"
    )

    with pytest.raises(ConfigFaults, match=r"models\.other: must be a mapping"):
        load_text(text, needed=False)
    assert load_text(text.replace(", other: ", ""), needed=False).config.keys[0].limits is not None


def test_vendor_and_links_are_kept_in_their_normal_form(load_text: Load) -> None:
    text = (
        "upstream: {api_key: k, base_url: http://127.0.0.1:9800/v1/}\n"
        "keys: [{name: a, key: abcdefgh}]\nserver: {public_url: https://x.example/p}\n"
    )

    config = load_text(text, needed=False).config

    assert config.upstream.base_url == "http://127.0.0.1:9800"
    assert config.server.public_url == "https://x.example/p"


def test_an_open_ops_listener_with_a_token_is_fine(load_text: Load) -> None:
    assert load_text("ops: {host: 0.0.0.0, token: of-16-characters}\n").config.ops.host == "0.0.0.0"


def test_a_default_model_may_be_an_alias(load_text: Load) -> None:
    text = "models: {m: {aliases: [a, m]}}\nrequests: {default_model: a}\n"

    assert load_text(text).config.requests.default_model == "a"


def test_one_port_on_two_addresses_and_port_zero_twice_are_fine(load_text: Load) -> None:
    load_text("server: {port: 9464, host: 127.0.0.2}\n")
    load_text("server: {port: 0}\nops: {port: 0}\n")


def test_a_byte_order_mark_is_passed_over(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_bytes(b"\xef\xbb\xbfupstream: {api_key: k}\nkeys: [{name: a, key: abcdefgh}]\n")

    assert load(str(path), {}).config.keys[0].name == "a"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a: \xff", ": is not text in UTF-8 (line 1)"),
        (b"a: 1\nb: \xff", ": is not text in UTF-8 (line 2)"),
        ("server: {}".encode("utf-16"), ": is not text in UTF-8 (line 1)"),
        (b"#" * (MAX_BYTES + 1), f": is larger than {MAX_BYTES} bytes"),
    ],
)
def test_a_file_that_is_no_text_or_too_large_is_refused(
    tmp_path: pathlib.Path, content: bytes, message: str
) -> None:
    path = tmp_path / "c.yaml"
    path.write_bytes(content)

    with pytest.raises(ConfigFaults) as caught:
        load(str(path), {})

    assert str(caught.value) == f"{path}{message}"


def test_a_file_of_exactly_the_bound_is_read(tmp_path: pathlib.Path) -> None:
    text = "upstream: {api_key: k}\nkeys: [{name: a, key: abcdefgh}]\n"
    path = tmp_path / "c.yaml"
    path.write_text(text + "#" * (MAX_BYTES - len(text)), encoding="utf-8")

    assert load(str(path), {}).config.keys[0].name == "a"


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("nowhere.yaml", "nowhere.yaml: cannot be read: No such file or directory"),
        (".", ".: cannot be read: Is a directory"),
        ("a\0b", "a\0b: cannot be read: not a path"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_fault(path: str, message: str) -> None:
    with pytest.raises(ConfigFaults) as caught:
        load(path, {})

    assert str(caught.value) == message


def test_without_a_file_the_environment_can_hold_everything() -> None:
    environ = {
        "GATEWAY__UPSTREAM__API_KEY": "sk-vendor",
        "GATEWAY__KEYS": "[{name: studio, key: sk-studio}]",
    }

    loaded = load(None, environ)

    assert loaded.config.keys[0].key == SecretStr("sk-studio")
    assert loaded.sources["keys[0].key"] == "GATEWAY__KEYS"


def test_without_anything_what_is_needed_is_named() -> None:
    with pytest.raises(ConfigFaults) as caught:
        load(None, {})

    assert str(caught.value).splitlines() == [
        "environment: upstream.api_key: is required (or api_key_file)",
        "environment: keys: is required",
    ]


def test_the_process_environment_is_read_where_none_is_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in [name for name in os.environ if name.startswith("GATEWAY__")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GATEWAY__UPSTREAM__API_KEY", "sk-vendor")
    monkeypatch.setenv("GATEWAY__KEYS__0__NAME", "studio")
    monkeypatch.setenv("GATEWAY__KEYS__0__KEY", "sk-studio")

    assert load(None).config.keys[0].name == "studio"


def test_secrets_are_in_no_repr(load_text: Load) -> None:
    text = "upstream: {api_key: X}\nkeys: [{name: a, key: X}]\nops: {token: X}\n"

    loaded = load_text(text.replace("X", CANARY), needed=False)

    assert loaded.config.ops.token is not None
    assert CANARY not in repr(loaded) + str(loaded) + repr(loaded.config.keys)


SECRET_PLACES = [
    "upstream: {api_key: %s}\nkeys: [{name: a, key: ab}]\n",
    "upstream: {api_key: [%s]}\n",
    "upstream: {api_key: {a: %s}}\n",
    "upstream: {api_key: 'a %s'}\n",
    "upstream: [%s]\n",
    "upstream: %s\n",
    "keys: %s\n",
    "keys: [%s]\n",
    "keys: {studio: %s}\n",
    "keys: [{name: a, key: '%s ä'}]\n",
    "keys: [{name: a, key: %s}, {name: b, key: %s}]\n",
    "keys: [{name: a, key: abcdefgh, limits: %s}]\n",
    "keys: [{name: a, kee: %s}]\n",
    "keys: [{name: a, key: abcdefgh, %s: b}]\n",
    "keys: [{name: a, key: '${X}${NOPE}'}]\n",
    "ops: {host: 0.0.0.0, tokn: %s}\n",
    "ops: {token: '%s\n",
    'ops: {token: "\\q%s"}\n',
    "ops: {token: *%s}\n",
    "ops: {token: !%s x}\n",
    "ops: {token: @%s}\n",
    "ops: {token: %s: %s}\n",
    "ops: {token: %s\n",
    "ops: {token_file: '${X}', token: %s}\n",
    "state: {url: 'postgresql://u:%s@db/x'}\n",
    "state: {url: '${X}'}\n",
    "upstream: {base_url: 'https://u:%s@x.example', api_key: k}\n",
    "server: {public_url: 'https://x.example/?key=%s'}\n",
    "log: {level: %s}\n",
    "images: {lifetime: %s}\n",
    "server: {port: %s}\n",
    "%s\n",
    "- %s\n",
]


@pytest.mark.parametrize("text", SECRET_PLACES)
def test_a_misplaced_secret_is_never_repeated(told: Faults, text: str) -> None:
    faults = told(text.replace("%s", CANARY), {"X": CANARY}, needed=False)

    assert faults
    assert CANARY not in "\n".join(faults)


@pytest.mark.parametrize(
    "name",
    [
        "UPSTREAM__BASE_URL",
        "OPS__PORT",
        "KEYS",
        "KEYS__0",
        "KEYS__0__LIMITS",
        "STATE__URL",
        "SERVER",
    ],
)
def test_a_secret_in_a_wrong_variable_is_never_repeated(told: Faults, name: str) -> None:
    faults = told("", {f"GATEWAY__{name}": CANARY})

    assert faults
    assert CANARY not in "\n".join(faults)


def test_no_context_of_the_exception_holds_a_secret(load_text: Load) -> None:
    with pytest.raises(ConfigFaults) as caught:
        load_text(f"ops: {{token: [{CANARY}]}}\n")

    assert caught.value.__context__ is None
    assert caught.value.__cause__ is None


YAML = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [*Config.model_fields, "name", "key", "port", "aliases", "key_file", "x"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=300)
@given(st.dictionaries(st.sampled_from([*Config.model_fields]), YAML, min_size=1))
def test_any_tree_is_loaded_or_refused_with_places(told: Faults, tree: dict[str, object]) -> None:
    for line in told(json.dumps(tree), needed=False):
        assert line.startswith("config.yaml:1: ")


@settings(max_examples=200)
@given(
    st.dictionaries(
        st.sampled_from(
            [
                "SERVER",
                "SERVER__PORT",
                "KEYS",
                "KEYS__0",
                "KEYS__0__KEY",
                "KEYS__1__LIMITS",
                "KEYS__01__NAME",
                "MODELS",
                "MODELS__GPT_IMAGE_2",
                "MODELS__GPT_IMAGE_2__MASKS",
                "OPS__TOKEN_FILE",
                "OPS__TOKEN",
                "UPSTREAM__POLLING__SCALE",
                "SERVER__",
                "__",
            ]
        ),
        st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=12)
        | st.sampled_from(["{}", "[]", "~", "[{}]", "{a: {}}", "{port: 1}", "1", "true"]),
    )
)
def test_any_environment_is_taken_or_refused_with_its_name(
    told: Faults, environ: dict[str, str]
) -> None:
    for line in told("", {f"GATEWAY__{name}": text for name, text in environ.items()}):
        assert line.startswith(("config.yaml:", "GATEWAY__"))
