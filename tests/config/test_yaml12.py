import math
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.config.yaml12 import (
    MAX_DEPTH,
    MAX_NODES,
    Items,
    Node,
    Scalar,
    Table,
    YamlFault,
    parse,
    resolve,
)


def plain(node: Node | None) -> object:
    """A tree as Python values, with every scalar's text typed if it is plain."""
    match node:
        case Table():
            return {name: plain(entry) for name, entry in node.entries.items()}
        case Items():
            return [plain(entry) for entry in node.nodes]
        case Scalar():
            return resolve(node.text) if node.plain else node.text
        case None:
            return None


def read(text: str) -> object:
    return plain(parse(text).root)


def fault(text: str) -> YamlFault:
    with pytest.raises(YamlFault) as caught:
        parse(text)
    return caught.value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("~", None),
        ("null", None),
        ("Null", None),
        ("NULL", None),
        ("nULL", "nULL"),
        ("none", "none"),
        ("true", True),
        ("True", True),
        ("TRUE", True),
        ("false", False),
        ("False", False),
        ("FALSE", False),
        ("tRUE", "tRUE"),
        ("yes", "yes"),
        ("no", "no"),
        ("on", "on"),
        ("off", "off"),
        ("y", "y"),
        ("n", "n"),
        ("NO", "NO"),
        ("0", 0),
        ("-1", -1),
        ("+12", 12),
        ("0777", 777),
        ("0o17", 15),
        ("0o18", "0o18"),
        ("0xFf", 255),
        ("0xG", "0xG"),
        ("-0x1", "-0x1"),
        ("0b101", "0b101"),
        ("1_000", "1_000"),
        ("1:30", "1:30"),
        ("190:20:30", "190:20:30"),
        ("1.5", 1.5),
        ("1.", 1.0),
        (".5", 0.5),
        ("-.5", -0.5),
        ("1e3", 1000.0),
        ("1.5E-3", 0.0015),
        ("1e", "1e"),
        ("e1", "e1"),
        (".", "."),
        (".inf", math.inf),
        ("-.Inf", -math.inf),
        ("+.INF", math.inf),
        (".iNF", ".iNF"),
        ("inf", "inf"),
        ("nan", "nan"),
        ("2025-01-02", "2025-01-02"),
        ("2025-01-02T03:04:05Z", "2025-01-02T03:04:05Z"),
        ("=", "="),
        ("<<", "<<"),
        ("12a", "12a"),
        ("١٢", "١٢"),
        ("24h", "24h"),
        ("9" * 41, "9" * 41),
    ],
)
def test_a_plain_scalar_has_the_type_of_the_core_schema(text: str, value: object) -> None:
    assert resolve(text) == value
    assert type(resolve(text)) is type(value)


@pytest.mark.parametrize("text", [".nan", ".NaN", ".NAN"])
def test_not_a_number_is_a_float(text: str) -> None:
    value = resolve(text)

    assert isinstance(value, float)
    assert math.isnan(value)


@pytest.mark.parametrize("text", ['"true"', "'true'", "|-\n  true\n", ">-\n  true\n"])
def test_quotes_and_blocks_make_text(text: str) -> None:
    assert read(f"a: {text}") == {"a": "true"}


@given(st.text())
def test_resolving_takes_any_text_and_gives_text_back_unless_it_is_typed(text: str) -> None:
    value = resolve(text)

    assert not isinstance(value, str) or value == text


def test_lists_and_mappings_nest_in_both_styles() -> None:
    text = "a:\n  - 1\n  - {b: [x, 'y'], c: }\nd: {}\ne: []\n"

    assert read(text) == {"a": [1, {"b": ["x", "y"], "c": None}], "d": {}, "e": []}


@pytest.mark.parametrize("text", ["", "\n\n", "# a comment\n", "---\n", "---\n...\n"])
def test_an_empty_document_is_nothing(text: str) -> None:
    assert read(text) is None


def test_every_node_knows_its_line_and_an_entry_the_line_of_its_name() -> None:
    root = parse("# one\na:\n  b:\n    - 1\n    - 2\nc:\n  |\n  text\n").root

    assert isinstance(root, Table)
    a, c = root.entries["a"], root.entries["c"]
    assert isinstance(a, Table)
    b = a.entries["b"]
    assert isinstance(b, Items)
    assert (a.line, b.line, [node.line for node in b.nodes], c.line) == (2, 3, [4, 5], 6)


def test_a_name_is_always_text() -> None:
    assert read("1: a\ntrue: b\n~: c\n") == {"1": "a", "true": "b", "~": "c"}


def test_an_anchor_can_be_referred_to_and_its_entry_has_the_line_of_the_reference() -> None:
    root = parse("a: &x {n: 1}\nb: *x\nc: [*x, *x]\n").root

    assert plain(root) == {"a": {"n": 1}, "b": {"n": 1}, "c": [{"n": 1}, {"n": 1}]}
    assert isinstance(root, Table)
    assert root.entries["b"].line == 2


def test_an_anchor_on_a_name_can_be_used_as_a_value() -> None:
    assert read("&x a: 1\nb: *x\n") == {"a": 1, "b": "a"}


def test_equal_names_are_all_remarked_and_the_first_value_stays() -> None:
    parsed = parse("a: 1\nb: {c: 1, c: 2}\na: 3\na: 4\n")

    assert plain(parsed.root) == {"a": 1, "b": {"c": 1}}
    assert [(remark.line, remark.path) for remark in parsed.remarks] == [
        (2, ("b", "c")),
        (3, ("a",)),
        (4, ("a",)),
    ]


def test_names_are_equal_whatever_their_quotes() -> None:
    assert len(parse("a: 1\n'a': 2\n\"\\x61\": 3\n").remarks) == 2


def test_a_quoted_double_angle_is_a_name_like_any_other() -> None:
    parsed = parse("'<<': 1\n")

    assert plain(parsed.root) == {"<<": 1}
    assert not parsed.remarks


def test_a_bomb_of_references_is_refused_at_once() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]

    found = fault("\n".join(lines))

    assert found.line == 5
    assert str(found) == f"more than {MAX_NODES} values, references counted at each use"


def test_a_flat_flood_of_values_is_refused_too() -> None:
    assert "more than" in str(fault(f"a: [{'1,' * (MAX_NODES + 1)}]"))


def test_a_chain_of_references_stays_within_the_stack() -> None:
    lines = ["a0: &a0 [x]"] + [f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, 400)]

    assert "more than" in str(fault("\n".join(lines)))


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ("{a: ", "}")])
def test_depth_is_bounded_and_one_less_is_allowed(opening: str, closing: str) -> None:
    assert read(opening * MAX_DEPTH + closing * MAX_DEPTH)
    found = fault(opening * (MAX_DEPTH + 1) + closing * (MAX_DEPTH + 1))
    assert str(found) == f"nested deeper than {MAX_DEPTH} levels"


def test_depth_in_blocks_is_bounded_too() -> None:
    text = "".join(f"{'  ' * depth}a:\n" for depth in range(2000))

    assert fault(text).line == MAX_DEPTH + 1


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{a: ${X}, b: 1}", {"a": "${X}", "b": 1}),
        ("{a: ${X:-y z}}", {"a": "${X:-y z}"}),
        ("{a: x${X}y${Y:?no}z}", {"a": "x${X}y${Y:?no}z"}),
        ("[${X}, $${Y}]", ["${X}", "$${Y}"]),
        ("a: ${X}", {"a": "${X}"}),
        ("'a${X}': b", {"a${X}": "b"}),
        ('{a: "${X}"}', {"a": "${X}"}),
        ("{a: '${X'}", {"a": "${X"}),
        ("{a: ${X:-[b, c]?}}", {"a": "${X:-[b, c]?}"}),
    ],
)
def test_a_variable_is_part_of_a_plain_scalar_in_flow_style_too(text: str, value: object) -> None:
    assert read(text) == value


@given(st.text(st.characters(min_codepoint=0xE000, max_codepoint=0xE0FF), max_size=20))
def test_no_character_of_a_file_is_taken_for_a_brace(text: str) -> None:
    assert read(f"{{a: '{text}', b: ${{X}}}}") == {"a": text, "b": "${X}"}


YAMLISH = st.text(st.sampled_from(list("ab1:-?,[]{}&*!|>'\"%@`#~$\\ \n\t.<=_0xUe\u2028\ufeff")))


@settings(max_examples=600)
@given(YAMLISH)
def test_any_text_is_read_or_refused_with_a_line_that_exists(text: str) -> None:
    line, message = 1, "read"
    try:
        parse(text)
    except YamlFault as found:
        line, message = found.line, str(found)
    assert 1 <= line <= len(text.splitlines()) + 2
    assert message


@settings(max_examples=50)
@given(st.text(string.ascii_letters + string.digits, min_size=4, max_size=20))
def test_no_fault_of_syntax_quotes_the_file(word: str) -> None:
    secret = f"S{word}"
    for text in (
        f"*{secret}",
        f"!{secret} a",
        f"a: '{secret}",
        f'a: "\\q{secret}"',
        f"a: @{secret}",
    ):
        assert secret not in str(fault(text))


def test_a_scalar_keeps_its_text_out_of_its_repr() -> None:
    assert "hunter2" not in repr(parse("a: hunter2").root)
