"""Every alert fires where it should, is silent where it should be, and says what to do."""

import json
import re
from pathlib import Path

import pytest

from tests.grafana.alarms import FOLDER, Alert, alerts, groups, shown, unit_tests_of
from tests.grafana.boards import boards, panels
from tests.grafana.known import known, wrong
from tests.grafana.prometheus import promtool
from tests.repo.dialect import events
from tests.repo.source import ROOT

GROUPS = [group["name"] for group in groups()]
RUNBOOK = (ROOT / "docs" / "runbook.md").read_text("utf-8")


@pytest.mark.parametrize("group", GROUPS)
def test_the_groups_alerts_fire_and_are_silent_as_its_tests_say(group: str, tmp_path: Path) -> None:
    assert "SUCCESS" in unit_tests_of(group, tmp_path)


def test_a_group_has_one_file_of_tests() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.yml")) == sorted(GROUPS)


@pytest.mark.parametrize("alert", alerts(), ids=str)
def test_an_alert_is_shown_both_firing_and_silent(alert: Alert) -> None:
    told = shown()[alert.name, alert.window]
    assert told.fires
    assert told.silent


@pytest.mark.parametrize("alert", alerts(), ids=str)
def test_an_alert_says_how_much_it_matters_and_where_to_read_on(alert: Alert) -> None:
    assert alert.labels["severity"] in {"page", "ticket"}
    assert alert.labels["service"] == "image-gateway"
    assert alert.annotations.keys() == {"summary", "description", "runbook_url"}
    assert alert.annotations["runbook_url"] == f"docs/runbook.md#{alert.name.lower()}"
    assert not alert.annotations["summary"].endswith(".")
    assert alert.annotations["description"].strip().endswith(".")


@pytest.mark.parametrize("alert", alerts(), ids=str)
def test_what_an_alert_says_it_knows_it_has(alert: Alert) -> None:
    used = set(re.findall(r"\$labels\.(\w+)", " ".join(alert.annotations.values())))
    for labels in shown()[alert.name, alert.window].labels:
        assert used <= labels.keys()


@pytest.mark.parametrize("alert", alerts(), ids=str)
def test_an_alert_says_of_which_job_it_is(alert: Alert) -> None:
    """The overview's list of alerts goes by it."""
    assert all("job" in labels for labels in shown()[alert.name, alert.window].labels)


def test_alerts_that_have_one_name_are_about_one_thing() -> None:
    for name in {alert.name for alert in alerts()}:
        same = [alert for alert in alerts() if alert.name == name]
        assert len({alert.labels["severity"] for alert in same}) == 1
        assert len({alert.window for alert in same}) == len(same)


def test_the_runbook_has_a_section_for_each_alert_and_no_other() -> None:
    sections = re.findall(r"^### (\w+)$", RUNBOOK, re.MULTILINE)
    assert sorted(sections) == sorted({alert.name for alert in alerts()})


@pytest.mark.parametrize("name", sorted({alert.name for alert in alerts()}))
def test_a_section_of_the_runbook_answers_all_its_questions(name: str) -> None:
    _, _, section = RUNBOOK.partition(f"\n### {name}\n")
    section = re.split(r"^##", section, maxsplit=1, flags=re.MULTILINE)[0]
    asked = re.findall(r"^\* \*\*(.+?)\.\*\*", section, re.MULTILINE)
    assert asked == ["Means", "At stake", "Look", "Do", "Clears"]
    (severity,) = {alert.labels["severity"] for alert in alerts() if alert.name == name}
    assert re.match(r"\s*\*(Page|Ticket)\.\*", section)
    assert section.strip().lower().startswith(f"*{severity}.*")


def test_the_runbooks_queries_name_what_there_is() -> None:
    queries = re.findall(r"```promql\n *(.+)\n *```", RUNBOOK)
    assert len(queries) >= len({alert.name for alert in alerts()})
    faults = {query: list(wrong(query, known())) for query in queries}
    assert {query: said for query, said in faults.items() if said} == {}


def test_promtool_reads_the_runbooks_queries(tmp_path: Path) -> None:
    queries = re.findall(r"```promql\n *(.+)\n *```", RUNBOOK)
    made = [{"record": f"query:{place}", "expr": query} for place, query in enumerate(queries)]
    rules = tmp_path / "rules.yml"
    rules.write_text(json.dumps({"groups": [{"name": "runbook", "rules": made}]}))
    assert "SUCCESS" in promtool("check", "rules", str(rules))


def test_the_panels_that_the_runbook_names_are_there() -> None:
    there = {
        board["title"].rpartition(" / ")[2].split()[0]: {one["title"] for one in panels(board)}
        for board in boards()
    }
    text = re.sub(r"\s+", " ", RUNBOOK)
    title = r"\*[^*]+\*(?: \([^)]*\)|, column `\w+`| by \w+| over [\w ]+)*"
    named = re.findall(rf"\b({'|'.join(there)}): ((?:{title}(?:, then |, | and )?)+)", text)
    told = [
        (board, title) for board, titles in named for title in re.findall(r"\*([^*]+)\*", titles)
    ]
    assert len(told) > len(alerts())
    assert [(board, title) for board, title in told if title not in there.get(board, ())] == []


def test_the_lines_of_the_log_that_the_runbook_names_are_told() -> None:
    text = re.sub(r"\s+", " ", RUNBOOK)
    named = {
        name
        for said in re.findall(r"Log: ([^.;]+)", text)
        for name in re.findall(r"`(\w+)`", said)
        if name not in {"job_id", "request_id"}
    }
    assert len(named) > len(GROUPS)
    assert named <= {*events(), "log_dropped"}
