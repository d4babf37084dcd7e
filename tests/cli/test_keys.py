import hashlib
import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway.access.keys import Keys
from gateway.cli import main
from gateway.cli.keys_entries import expiry_word
from gateway.config.loader import load
from gateway.config.sections import Config
from tests.cli.looks import Looks
from tests.repo.pages import section
from tests.repo.source import ROOT

VENDOR = "upstream: {api_key: vendor-key}\nkeys:\n"


def keys(*arguments: str, given: str | None = None) -> Result:
    return CliRunner().invoke(main, ["keys", *arguments], input=given)


def pasted(folder: Path, entries: str) -> Config:
    file = folder / "config.yaml"
    file.write_text(VENDOR + entries + "\n", encoding="utf-8")
    return load(str(file), {}).config


def test_a_new_key_works_once_its_entry_is_pasted(tmp_path: Path) -> None:
    limits = ("--limit", "requests_per_minute=60", "--limit", "cost_per_day=2.50")
    result = keys("new", "studio", *limits, "--expires", "2099-01-31", "--max-n", "4", "--json")
    made = json.loads(result.output)
    prices = "models: {gpt-image-2: {prices: {"
    prices += ", ".join(f"tier_{t}: {{low: 1, medium: 1, high: 1}}" for t in ("1k", "2k", "4k"))
    config = pasted(tmp_path, f"{made['entry']}\n{prices}}}}}}}")

    key = Keys(config.keys).identify(made["key"], 0)
    assert (key.name, key.credential, key.max_n) == ("studio", made["id"], 4)
    assert (key.limits.requests_per_minute, key.limits.cost_per_day) == (60, 2_500_000)
    assert config.keys[0].expires == "2099-01-31"


def test_the_text_shows_the_key_once_and_says_what_to_do_with_it(tmp_path: Path) -> None:
    told = keys("new", "studio").output
    key = told.partition("\n")[0]

    assert told.count(key) == 1
    assert "kept nowhere" in told
    assert "SIGHUP" in told
    entry = told.partition("below keys:\n\n")[2].partition("\n\nSaving")[0]
    assert Keys(pasted(tmp_path, entry).keys).identify(key, 0).name == "studio"


@pytest.mark.parametrize("name", ["a: b", "null", "12", "${X}", 'say "hi"', "Büro", "x -", "1e3"])
def test_any_name_makes_an_entry_that_loads(tmp_path: Path, name: str) -> None:
    made = json.loads(keys("new", name, "--json").output)

    assert pasted(tmp_path, made["entry"]).keys[0].name == name


def test_a_key_is_rotated_with_an_overlap(tmp_path: Path) -> None:
    first = json.loads(keys("new", "studio", "--json").output)
    second = json.loads(keys("new", "studio", "--rotate", "--expires", "90d", "--json").output)
    found = Keys(pasted(tmp_path, f"{first['entry']}\n    also:\n{second['entry']}").keys)

    assert found.identify(first["key"], 0).name == found.identify(second["key"], 0).name == "studio"
    assert found.identify(second["key"], 0).credential == second["id"]


def test_the_page_shows_a_rotation_as_it_is_printed_and_as_it_loads(tmp_path: Path) -> None:
    page = section((ROOT / "docs/keys.md").read_text("utf-8"), "Rotating and revoking")
    blocks = re.findall(r"^```yaml\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    before, printed, both, after = blocks

    assert both == f"{before}    also:\n{printed}"
    found = [pasted(tmp_path, one.removeprefix("keys:\n")).keys for one in (before, both, after)]
    ((old,), (entry,), (new,)) = found
    (further,) = entry.also
    assert (entry.id, entry.sha256, entry.limits) == (old.id, old.sha256, old.limits)
    assert (further.id, further.sha256) == (new.id, new.sha256) != (old.id, old.sha256)
    assert (new.name, new.limits, new.also) == (old.name, old.limits, ())
    told = keys("new", "studio", "--rotate").output
    lines = told.partition("as deep as id:)\n\n")[2].partition("\n\nSaving")[0].splitlines()
    assert [shape(line) for line in lines] == [shape(line) for line in printed.splitlines()]


def shape(line: str) -> str:
    """A line without its value, nor the quotes around it."""
    return line.partition(": ")[0]


def test_days_are_counted_from_now() -> None:
    assert expiry_word("90d", 0) == "1970-04-01"
    assert expiry_word("2027-01-31", 0) == "2027-01-31"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["a", "--limit", "requests=5"], "keys[0].limits.requests: unknown name"),
        (["a", "--limit", "concurrent=0"], "must be 1 or more"),
        (["a", "--limit", "concurrent"], "write it as requests_per_minute=60"),
        (["a", "--limit", "concurrent={}"], "write it as requests_per_minute=60"),
        (["a", "--expires", "soon"], "keys[0].expires: must be a date such as"),
        (["a", "--expires", "99999d", "--rotate", "--max-n", "1"], "with --rotate"),
        (["a", "--max-n", "11"], "keys[0].max_n: must be at most 10"),
        ([""], "keys[0].name: must be at least 1 character long"),
    ],
)
def test_bad_input_is_a_wrong_call_in_words_and_makes_no_key(
    arguments: list[str], told: str
) -> None:
    result = keys("new", *arguments)

    assert result.exit_code == 2
    assert told in result.output
    assert "sk-igw-" not in result.output


def test_a_key_of_ones_own_is_hashed_and_not_shown(tmp_path: Path) -> None:
    told = keys("hash", given="a-word-of-my-own\n").output
    lines = "\n".join(f"    {line}" for line in told.splitlines())
    found = Keys(pasted(tmp_path, f"  - name: a\n{lines}").keys)

    assert hashlib.sha256(b"a-word-of-my-own").hexdigest() in told
    assert "word" not in told
    assert found.identify("a-word-of-my-own", 0).name == "a"


@pytest.mark.parametrize("given", ["", "short\n", "with a space\n"])
def test_what_is_no_key_is_not_hashed(given: str) -> None:
    result = keys("hash", given=given)

    assert result.exit_code == 2
    assert "the key must" in result.output


def test_the_list_tells_each_credential_and_no_key(tmp_path: Path) -> None:
    pasted(
        tmp_path,
        "  - {name: a, key: a-word-of-my-own, limits: {concurrent: 2}, also: ["
        "{key: old-word-1, expires: 2020-01-31}, {key: old-word-2, disabled: true}]}",
    )
    file = str(tmp_path / "config.yaml")
    told = json.loads(keys("list", "--config", file, "--json").output)["keys"][0]
    text = keys("list", "--config", file).output

    states = [(one["id"], one["state"]) for one in told["credentials"]]
    assert states == [("key", "active"), ("also[0]", "expired"), ("also[1]", "disabled")]
    assert told["limits"] == {"concurrent": "2"}
    assert len(text.splitlines()) == 4
    assert "word" not in text


def test_the_list_tells_when_each_credential_was_last_used(looks: Looks) -> None:
    looks.configure(keys="[{name: a, key: old-word-1, also: [{key: old-word-2}]}]")
    looks.ledger.insert("uses", key_name="a", credential="also[0]", used_at=1_800_014_400.0)
    listed = ("list", "--config", str(looks.config))
    told = json.loads(keys(*listed, "--json").output)["keys"][0]["credentials"]

    assert [one["last_used"] for one in told] == [None, 1_800_014_400.0]
    assert "2027-01-15 12:00:00 UTC" in keys(*listed).output.splitlines()[2]

    looks.ledger.connection.execute("DROP TABLE uses")
    without = keys(*listed)
    assert (without.exit_code, "LAST USED" in without.output) == (0, False)
