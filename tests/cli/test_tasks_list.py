"""``tasks list``: which jobs there are, and which need a look."""

import json
import re
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from gateway.cli import main
from gateway.cli.tasks import TaskCommands, command
from tests.cli.looks import Looks
from tests.cli.processes import gateway
from tests.state.ledgers import Ledger


def cells(line: str) -> list[str]:
    return re.split(r"\s{2,}", line.strip())


def test_the_first_line_counts_and_what_needs_a_look_stands_out(looks: Looks) -> None:
    looks.ledger.job("running", "uncertain")
    looks.ledger.job("lost")
    looks.ledger.picture(looks.ledger.job("done"), "a" * 32)
    looks.ledger.picture(looks.ledger.job("done"), "b" * 32, expires_at=1.0)
    first = looks.tasks("list").stdout.splitlines()[0]
    assert first == (
        "4 jobs, 5 tasks: UNCERTAIN 1 · LOST 1 · UNCLAIMED 2 jobs (1 expired) · running 1 · done 2"
    )


def test_a_job_has_a_line_for_each_task(looks: Looks) -> None:
    job = looks.ledger.job("done", "failed")
    looks.ledger.task(job, "lost", 1, replaced=1)
    first, second, _ = looks.ledger.tasks(job)
    looks.ledger.picture(job, "a" * 32)
    _, _, head, *lines = looks.tasks("list").stdout.splitlines()
    assert cells(head) == [
        *("JOB", "AGE", "KEY", "MODEL", "N", "STATE", "VENDOR'S ID", "COST", "DELIVERED")
    ]
    assert [cells(line) for line in lines] == [
        [
            *(job, "3 h", "studio", "gpt-image-2", "2"),
            *("done", f"tsk_img_{first[-8:]}", "$0.135", "UNCLAIMED"),
        ],
        ["failed", f"tsk_img_{second[-8:]}"],
        ["(LOST)"],
    ]


@pytest.mark.parametrize(
    ("row", "picture", "word"),
    [
        ({}, {}, "UNCLAIMED"),
        ({"delivered_at": 5.0}, {}, "delivered"),
        ({}, {"fetched_at": 5.0}, "fetched"),
        ({}, {"expires_at": 5.0}, "expired"),
        ({"ended_at": None}, {}, ""),
    ],
)
def test_who_has_had_the_pictures_is_told(
    looks: Looks, row: dict[str, Any], picture: dict[str, Any], word: str
) -> None:
    looks.ledger.picture(looks.ledger.job("done", **row), "a" * 32, **picture)
    last = cells(looks.tasks("list").stdout.splitlines()[-1])[-1]
    assert last == (word or "$0.135")


def test_jobs_are_chosen_by_state_and_number(looks: Looks) -> None:
    running = looks.ledger.job("running")
    lost = looks.ledger.job("lost")
    looks.ledger.job("done")

    def told(*arguments: str) -> list[str]:
        return re.findall(r"^job_\w+", looks.tasks("list", *arguments).stdout, re.MULTILINE)

    assert told("--state", "running, LOST") == [lost, running]
    assert told("--state", "unfinished") == [running]
    assert told("--state", "refused") == []
    assert len(told("--limit", "2")) == 2
    assert "the newest 2; more with --limit" in looks.tasks("list", "--limit", "2").stdout
    assert "more with" not in looks.tasks("list", "--limit", "4").stdout


def test_a_state_that_there_is_not_is_a_wrong_call(looks: Looks) -> None:
    result = looks.tasks("list", "--state", "lost,melted")
    assert result.exit_code == 2
    assert "no state melted; there are intent, creating, uncertain" in result.stderr


def test_an_empty_ledger_is_told_in_one_line(looks: Looks) -> None:
    result = looks.tasks("list")
    assert (result.exit_code, result.stdout) == (0, "0 jobs, 0 tasks\n")


def test_json_holds_counts_of_every_state_and_the_jobs(looks: Looks) -> None:
    job = looks.ledger.job("done", "done", "running")
    told = json.loads(looks.tasks("list", "--json").stdout)
    assert told["counts"]["jobs"] == told["counts"]["unfinished"] == 1
    assert told["counts"]["tasks"]["done"] == 2
    assert told["counts"]["tasks"]["lost"] == 0
    (listed,) = told["jobs"]
    assert (listed["job_id"], listed["state"], listed["n"]) == (job, "running", 3)
    assert (listed["tier"], listed["cost_usd"]) == ("1k", "0.270")
    assert [task["state"] for task in listed["tasks"]] == ["done", "done", "running"]


def test_a_callers_words_do_nothing_to_the_terminal(looks: Looks) -> None:
    looks.ledger.job("running", plan={"requested_model": "\x1b]0;owned\x07"}, key_name="a\nb")
    told = looks.tasks("list").stdout
    assert "\x1b" not in told
    assert "a\ufffdb" in told


def test_a_gateway_without_a_ledger_is_said_to_be_so(looks: Looks) -> None:
    looks.configure(state="{url: 'memory://'}")
    for call in (["list"], ["show", "x"], ["claim", "x"], ["reconcile"]):
        result = looks.tasks(*call)
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr.startswith("state.url is memory://: this gateway remembers jobs in")


def test_what_is_no_ledger_is_told_with_advice(looks: Looks) -> None:
    looks.configure(state="{url: 'sqlite:///elsewhere.db'}")
    result = looks.tasks("list")
    assert result.exit_code == 1
    assert result.stderr.startswith("There is no ledger at /")
    assert "go to where the gateway runs" in result.stderr


def test_faults_of_the_configuration_end_with_2(looks: Looks) -> None:
    looks.configure(server="{port: many}")
    result = looks.tasks("list")
    assert result.exit_code == 2
    assert "server.port" in result.stderr


def test_the_path_of_a_ledger_counts_from_where_it_is_called(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    ledger = Ledger(tmp_path / "data" / "state.db")
    job = ledger.job("done")
    (tmp_path / "c.yaml").write_text(
        "upstream: {api_key: some}\nkeys: [{name: a, key: long-enough}]\n"
    )
    done = gateway(tmp_path, "tasks", "list", "--config", "c.yaml")
    ledger.close()
    assert (done.returncode, done.stderr) == (0, "")
    assert job in done.stdout


@pytest.mark.parametrize("name", ["list", "show", "claim", "reconcile"])
def test_a_commands_help_begins_with_the_line_in_the_list(name: str) -> None:
    found = command.get_command(click.Context(command), name)
    assert found is not None
    assert (found.help or "").partition("\n")[0] == TaskCommands.listed[name]
    listed = CliRunner().invoke(main, ["tasks", "--help"]).stdout
    assert TaskCommands.listed[name] in listed


@pytest.mark.parametrize("name", ["tasks_list", "prune", ""])
def test_what_is_no_command_below_tasks_is_a_wrong_call(name: str) -> None:
    assert CliRunner().invoke(main, ["tasks", name]).exit_code == 2
    assert CliRunner().invoke(main, [name]).exit_code == 2
