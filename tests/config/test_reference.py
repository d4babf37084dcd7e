import json
import pathlib
import re
import shutil
import typing

import pytest

from gateway.config import reference, yaml12
from gateway.config.kinds import Section
from gateway.config.listing import entries
from gateway.config.loader import load
from gateway.config.sections import Config
from gateway.config.shape import leaves, render, settings, slot
from gateway.config.simulated import Simulator

ROOT = pathlib.Path(__file__).parents[2]
EXAMPLE = ROOT / "config.example.yaml"
ENVIRON = {"TOAPIS_API_KEY": "sk-vendor", "STUDIO_KEY": "sk-studio"}
LEAST = {"upstream": {"api_key": "k"}, "keys": [{"name": "studio", "key": "sk-studio"}]}


def sections(section: type[Section]) -> typing.Iterator[type[Section]]:
    yield section
    for field in section.model_fields.values():
        here = slot(field.annotation)
        for inner in (here, here.below(0), here.below("")):
            if inner is not None and inner.section is not None:
                yield from sections(inner.section)


def named(node: yaml12.Node | None, prefix: str = "") -> typing.Iterator[str]:
    """The paths of what the example names, written as ``settings`` writes them."""
    if isinstance(node, yaml12.Table):
        for name, entry in node.entries.items():
            part = "<name>" if prefix == "models." else name
            yield from named(entry, f"{prefix}{part}.")
    elif isinstance(node, yaml12.Items) and prefix in {"keys.", "keys[].also."}:
        for entry in node.nodes:
            yield from named(entry, f"{prefix.removesuffix('.')}[].")
    else:
        yield prefix.removesuffix(".")


def test_the_example_names_every_setting_in_order_and_no_other() -> None:
    root = yaml12.parse(EXAMPLE.read_text(encoding="utf-8")).root

    assert list(named(root)) == [setting.path for setting in settings()]


def test_the_example_loads_and_holds_the_defaults() -> None:
    loaded = load(str(EXAMPLE), ENVIRON)

    kept = {render(leaf.path): leaf.value for leaf in leaves(Config.model_validate(LEAST))}
    changed = {
        render(leaf.path)
        for leaf in leaves(loaded.config)
        if leaf.path[0] != "keys" and leaf.value != kept[render(leaf.path)]
    }
    assert changed == {"upstream.api_key"}
    assert "default" not in loaded.sources.values()


def test_every_line_of_the_example_has_a_comment() -> None:
    lines = EXAMPLE.read_text(encoding="utf-8").splitlines()

    assert lines[0] == "# yaml-language-server: $schema=docs/config.schema.json"
    assert [line for line in lines[1:] if line and not re.search(r"(^| )# \S", line)] == []
    assert [line for line in lines if len(line) > 100] == []


def test_the_variables_the_example_needs_are_named_at_its_head() -> None:
    text = EXAMPLE.read_text(encoding="utf-8")

    assert set(re.findall(r"\$\{(\w+)\}", text)) == set(ENVIRON)
    assert all(name in text.partition("\nserver:")[0] for name in ENVIRON)


@pytest.mark.parametrize("section", [*sections(Config), Simulator])
def test_every_setting_has_a_help_of_one_line(section: type[Section]) -> None:
    assert section.__doc__
    for name, field in section.model_fields.items():
        here = slot(field.annotation)
        if here.section is None and not any(
            inner and inner.section for inner in (here.below(0), here.below(""))
        ):
            assert field.description, f"{section.__name__}.{name}"
            assert "\n" not in field.description
            assert "|" not in field.description


def test_page_and_schema_are_current(tmp_path: pathlib.Path) -> None:
    (tmp_path / "docs").mkdir()
    shutil.copy(ROOT / reference.PAGE, tmp_path / reference.PAGE)

    reference.write(tmp_path)

    for path in (reference.PAGE, reference.SCHEMA):
        assert (ROOT / path).read_text() == (tmp_path / path).read_text(), (
            f"{path} is old: run python -m gateway.config.reference"
        )


def test_a_page_without_the_mark_gets_it_and_keeps_its_head(tmp_path: pathlib.Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / reference.PAGE).write_text("# Head\n", encoding="utf-8")

    reference.write(tmp_path)
    once = (tmp_path / reference.PAGE).read_text()
    reference.write(tmp_path)

    assert once.startswith(f"# Head\n{reference.MARK}")
    assert (tmp_path / reference.PAGE).read_text() == once


def test_the_table_has_a_row_for_every_setting() -> None:
    rows = re.findall(
        r"^\| `([^`]+)` \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", reference.render(), re.MULTILINE
    )

    assert [row[0] for row in rows] == [setting.path for setting in settings()]
    table = {row[0]: row[1:] for row in rows}
    assert table["server.port"][:2] == ("whole number, 0 to 65535", "`8080`")
    assert table["upstream.api_key"][:2] == ("secret; or `api_key_file`, a file's path", "required")
    assert table["images.lifetime"][:2] == ("time", "`24h`")
    assert table["images.shelf"][:2] == ("size", "`10GB`")
    assert table["server.trusted_proxies"][:2] == ("list of text", "`[]`")
    assert table["models.<name>.backgrounds"][0] == "list of `opaque`, `transparent`"
    assert table["upstream.polling.scale"][0] == "number, more than 0, at most 10"
    assert table["models.<name>.masks"][:2] == ("true or false", "`true`")


def test_the_page_shows_how_every_section_is_called() -> None:
    page = (ROOT / reference.PAGE).read_text()

    assert re.findall(r"^## (\w+)$", page.partition(reference.MARK)[2], re.MULTILINE) == [
        *Config.model_fields
    ]


def test_the_smallest_file_in_the_page_loads(tmp_path: pathlib.Path) -> None:
    page = (ROOT / reference.PAGE).read_text()
    block = re.search(r"```yaml\n(.*?)```", page, re.DOTALL)
    assert block
    (tmp_path / "c.yaml").write_text(block[1], encoding="utf-8")

    assert load(str(tmp_path / "c.yaml"), ENVIRON).config.keys[0].name == "studio"


def test_every_variable_in_the_pages_table_is_taken(tmp_path: pathlib.Path) -> None:
    page = (ROOT / reference.PAGE).read_text()
    (tmp_path / "toapis").write_text("sk-vendor", encoding="utf-8")
    found = re.findall(r"^\| `(GATEWAY__\w+)=(.*?)` \|", page, re.MULTILINE)
    assert len(found) >= 7

    for name, content in found:
        text = content.strip("'").replace("/run/secrets", str(tmp_path)).replace("…", "sk-studio")
        environ = {
            "GATEWAY__UPSTREAM__API_KEY": "k",
            "GATEWAY__KEYS__0__NAME": "studio",
            "GATEWAY__KEYS__0__KEY": "sk-studio",
        }
        if name.endswith("_FILE"):
            del environ["GATEWAY__UPSTREAM__API_KEY"]
        if name == "GATEWAY__KEYS":
            environ = {"GATEWAY__UPSTREAM__API_KEY": "k"}
        loaded = load(None, {**environ, name: text})
        assert any(source.startswith(name) for source in loaded.sources.values())


def test_the_schema_allows_what_the_loader_does() -> None:
    schema = json.loads(reference.schema())
    upstream, key = schema["$defs"]["Upstream"], schema["$defs"]["Key"]
    port = schema["$defs"]["Server"]["properties"]["port"]
    body = schema["$defs"]["ServerBounds"]["properties"]["body"]

    assert schema["required"] == ["upstream", "keys"]
    assert schema["additionalProperties"] is False
    assert "api_key_file" in upstream["properties"]
    assert upstream["anyOf"] == [{"required": ["api_key"]}, {"required": ["api_key_file"]}]
    assert key["required"] == ["name"]
    ways = [{"required": ["key"]}, {"required": ["key_file"]}, {"required": ["id", "sha256"]}]
    assert key["anyOf"] == schema["$defs"]["Credential"]["anyOf"] == ways
    assert "token_file" in schema["$defs"]["Ops"]["properties"]
    assert port["anyOf"][0] == {"maximum": 65535, "minimum": 0, "type": "integer"}
    assert re.search(port["anyOf"][1]["pattern"], "${PORT:-1}")
    assert not re.search(port["anyOf"][1]["pattern"], "1MB")
    assert re.search(body["anyOf"][1]["pattern"], "1.5 MB")
    assert not re.search(body["anyOf"][1]["pattern"], "huge")
    assert body["default"] == 256_000_000


def test_the_schema_holds_a_name_for_every_setting() -> None:
    schema = json.loads(reference.schema())

    for section in sections(Config):
        drawn = schema if section is Config else schema["$defs"][section.__name__]
        assert set(section.model_fields) <= set(drawn["properties"])


def test_a_listing_has_every_value_masked_and_spelled_as_a_file_would() -> None:
    loaded = load(str(EXAMPLE), {**ENVIRON, "GATEWAY__IMAGES__FOLDER": "a\x1b[2Jb"})

    listed = {entry.path: entry for entry in entries(loaded)}

    assert list(listed) == list(loaded.sources)
    assert (listed["upstream.api_key"].value, listed["upstream.api_key"].text) == ("***", "***")
    assert (listed["keys[0].key"].value, listed["keys[0].key"].text) == ("***", "***")
    assert (listed["ops.token"].value, listed["ops.token"].text) == (None, "null")
    assert (listed["images.lifetime"].value, listed["images.lifetime"].text) == (86_400.0, "24h")
    assert listed["server.trusted_proxies"].text == "[]"
    assert listed["models.gpt-image-2.aliases"].text.startswith("[gpt-image-1.5, gpt-image-1, ")
    assert listed["requests.partial_results"].text == "false"
    assert listed["images.folder"].text == '"a\\u001b[2Jb"'
    assert "sk-" not in repr(listed)
