"""What the console says of a snapshot, panel by panel."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from gateway.events import State
from gateway.ops import key_panel, panels
from gateway.ops.advice import for_event, for_request
from gateway.ops.bars import bar
from gateway.ops.recent import Failure
from gateway.ops.snapshot import JobView, KeyView, Snapshot
from gateway.state.base import Standing
from tests.ops.views import (
    IDLE,
    NOW,
    job,
    key,
    task,
    with_figures,
    with_jobs,
    with_queue,
    with_vendor,
)


def shown(snapshot: Snapshot = IDLE, *failures: Failure, **saved: int) -> Mapping[str, Any]:
    values = panels.overview(snapshot, failures, saved)
    assert json.loads(json.dumps(values)) == values  # plain, all of it
    return values


def job_row(view: JobView) -> Mapping[str, Any]:
    (row,) = shown(with_jobs(IDLE, view))["jobs"]["rows"]
    return dict(row)


def key_row(view: KeyView) -> Mapping[str, Any]:
    rows: Any = key_panel.keys([view], NOW)["rows"]
    return dict(rows[0])


def failure(**more: Any) -> Failure:
    settings: dict[str, Any] = {
        "code": "upstream_unavailable",
        "advice": for_request("upstream_unavailable", 503),
        "at": NOW - 12,
        "first_at": NOW - 12,
        "status": 503,
    }
    return Failure(**{**settings, **more})


def test_an_idle_gateway_says_so() -> None:
    values = shown()
    assert values["verdict"] == {"text": "All is well", "tone": "good"}
    head = values["head"]
    assert (head["readiness"], head["version"], head["uptime"]) == (
        "ready",
        "0.1.0",
        "up 2 h 3 min",
    )
    assert head["config"] == "configuration of 2 h 3 min ago"
    assert not values["jobs"]["some"]
    assert not values["failures"]["some"]
    assert values["tiles"]["jobs"] == "0"


@pytest.mark.parametrize(
    ("snapshot", "readiness", "verdict"),
    [
        (replace(IDLE, draining=True), ("draining", "warn"), "1 thing needs a look"),
        (replace(IDLE, findings={"x": "bad"}), ("not ready", "bad"), "1 thing needs a look"),
        (with_vendor(breaker="open", held=True), ("ready", "good"), "2 things need a look"),
    ],
)
def test_readiness_and_what_needs_a_look_are_told_apart(
    snapshot: Snapshot, readiness: tuple[str, str], verdict: str
) -> None:
    values = shown(snapshot)
    assert (values["head"]["readiness"], values["head"]["tone"]) == readiness
    assert values["verdict"]["text"] == verdict
    assert len(values["troubles"]) == int(verdict[0])


def test_a_refused_configuration_is_told_in_the_head() -> None:
    head = shown(replace(IDLE, config_good=False))["head"]
    assert (head["config"], head["config_tone"]) == ("new configuration refused", "bad")


def test_a_job_is_told_with_what_was_asked_and_who_waits() -> None:
    row = job_row(job(7, n=3, callers=2, age=75.0, kind="edit"))
    assert row["key"] == "job_0007"
    assert row["asked"] == "1024x1024 · high · 3 pictures"
    assert row["kind"] == "edit · gpt-image-2"
    assert (row["state"], row["tone"]) == ("running", "busy")
    assert (row["age"], row["began"]) == ("1 min 15 s", "began 2026-09-21 14:12:05 UTC")
    assert (row["callers"], row["ids"]) == ("2 callers", "tsk_0001")
    assert (row["progress"], row["progress_text"]) == (40, "40 %")


def test_a_job_that_nobody_waits_for_says_so() -> None:
    row = job_row(job(callers=0))
    assert (row["callers"], row["deserted"]) == ("nobody waits", "calm")


def test_a_waiting_job_says_where_it_stands() -> None:
    waiting = task(State.INTENT, None, upstream_id=None)
    row = job_row(job(1, waiting, position=3, waiting=12, expected=41.0))
    assert (row["state"], row["wait"]) == ("intent", "3rd of 12, about 41 s to go")
    assert row["no_progress"]
    assert row["no_ids"]
    assert job_row(job(1, waiting, position=3, waiting=12))["wait"] == "3rd of 12"
    assert job_row(job(1, expected=8.0))["wait"] == "about 8 s to go"
    assert (job_row(job())["wait"], job_row(job())["no_wait"]) == ("", True)


def test_tasks_of_one_job_are_told_together() -> None:
    row = job_row(job(1, task(progress=80), task(State.DONE, None), task(State.INTENT, None), n=10))
    assert row["state"] == "1 running, 1 done, 1 intent"
    assert row["progress"] == 60
    assert row["tone"] == "busy"


@pytest.mark.parametrize(("progress", "told"), [(-5, 0), (140, 100)])
def test_a_vendors_nonsense_stays_within_the_bar(progress: int, told: int) -> None:
    assert job_row(job(1, task(progress=progress)))["progress"] == told


def test_what_is_uncertain_comes_first_and_loud() -> None:
    uncertain = job(9, task(State.UNCERTAIN, None, upstream_id=None))
    values = shown(with_jobs(IDLE, job(1), job(2), uncertain))
    assert [row["key"] for row in values["jobs"]["rows"]] == ["job_0009", "job_0001", "job_0002"]
    assert values["jobs"]["rows"][0]["tone"] == "bad"


def test_no_more_rows_are_shown_than_a_page_can_bear() -> None:
    values = shown(with_jobs(IDLE, *(job(n) for n in range(203))))
    assert len(values["jobs"]["rows"]) == 200
    assert values["jobs"]["more"] == "and 3 more jobs"
    assert values["tiles"]["jobs"] == "203"


def test_queue_and_vendor_are_told_with_their_bounds() -> None:
    values = shown(
        with_queue(
            with_vendor(submits=1.25, oldest_task=125.0, retry_budget=0.1),
            requests=3,
            tasks=1,
            at_vendor=100,
        )
    )
    assert values["queue"]["requests"]["text"] == "3 of 1,000"
    assert values["queue"]["tasks"] == "1 task"
    assert (values["queue"]["vendor"]["part"], values["queue"]["vendor"]["tone"]) == (1.0, "good")
    vendor = values["vendor"]
    assert vendor["submits"]["text"] == "1.2 left, 5 a second"
    assert (vendor["budget"]["text"], vendor["budget"]["tone"]) == ("10 %", "warn")
    assert (vendor["oldest"], vendor["balance"]) == ("2 min 5 s", "$812.50")


@pytest.mark.parametrize(
    ("breaker", "text", "tone"),
    [
        ("closed", "closed: creates are sent", ""),
        ("open", "open: creates are held back", "bad"),
        ("half_open", "half open: one create is tried", "warn"),
    ],
)
def test_the_breaker_is_told_in_words(breaker: str, text: str, tone: str) -> None:
    vendor = shown(with_vendor(breaker=breaker))["vendor"]
    assert (vendor["breaker"], vendor["breaker_tone"]) == (text, tone)


def test_the_ledger_says_what_is_not_settled() -> None:
    holdings = shown(
        with_figures(tasks={State.UNCERTAIN: 2, State.LOST: 1}, oldest_uncertain=48, unclaimed=3)
    )["holdings"]
    assert holdings["uncertain"] == "2 tasks, the oldest for 48 s"
    assert (holdings["lost"], holdings["unclaimed"]) == ("1 task", "3 tasks")
    tones = [holdings[f"{name}_tone"] for name in ("uncertain", "lost", "unclaimed")]
    assert tones == ["bad", "warn", "warn"]
    assert holdings["shelf"]["text"] == "1.9 GB of 10 GB"


def test_traffic_is_told_by_route() -> None:
    values = shown(replace(IDLE, requests={"generations": 3, None: 1, "models": 0}))
    assert values["traffic"]["requests"] == "4"
    assert values["traffic"]["routes"] == "generations 3, not yet known 1"
    assert shown()["traffic"]["no_routes"]


def test_a_failure_says_what_whose_when_and_what_to_do() -> None:
    values = shown(
        IDLE,
        failure(count=37, first_at=NOW - 60, key_name="studio", job_id="job_1", request_id="req_1"),
    )
    (row,) = values["failures"]["rows"]
    assert row["what"] == "The vendor cannot be reached or takes nothing"
    assert (row["times"], row["code"]) == (" × 37", "503 upstream_unavailable")
    assert (row["when"], row["tone"]) == ("12 s ago", "warn")
    assert row["exact"] == "2026-09-21 14:13:08 UTC, the first 2026-09-21 14:12:20 UTC"
    assert (row["name"], row["job"], row["request"]) == ("studio", "job_1", "req_1")
    assert row["do"].endswith("ask the vendor.")


def test_a_failure_that_is_over_is_calm() -> None:
    advice = for_event("breaker_opened")
    assert advice is not None
    over = failure(code="breaker_opened", advice=advice, status=None, over=True)
    (row,) = shown(IDLE, over)["failures"]["rows"]
    assert (row["tone"], row["do"]) == ("calm", "Over: nothing need be done.")
    assert row["nobody"]
    assert row["no_job"]
    assert row["no_request"]


def test_older_failures_are_counted() -> None:
    values = shown(IDLE, *(failure(job_id=f"job_{n}") for n in range(32)))
    assert len(values["failures"]["rows"]) == 30
    assert values["failures"]["more"] == "and 2 more older entries"


def test_saved_purchases_are_told_by_how() -> None:
    values = shown(IDLE, orphan=2, sdk_retry=1)
    counts = {row["key"]: row["count"] for row in values["saved"]["rows"]}
    assert counts == {"idempotency_key": "0", "sdk_retry": "1", "orphan": "2", "replay": "0"}
    assert values["tiles"]["saved"] == "3"


def test_a_key_is_told_with_its_limits_and_what_is_used() -> None:
    row = key_row(key())
    assert (row["name"], row["state"], row["last"]) == ("studio", "good", "3 s ago")
    assert (row["requests"]["text"], row["requests"]["part"]) == ("2 of 10", 0.2)
    assert row["requests"]["whole"] == "60 a minute; all is back in 2 s"
    assert row["under_way"]["text"] == "2 of 8"
    assert row["today"]["text"] == "31 of 500"
    assert row["spent"]["text"] == "$1.24 of $5.00"
    assert (row["month"]["text"], row["month"]["open"]) == ("$48.10", True)


def test_a_key_without_limits_has_no_bars() -> None:
    nothing = Standing(None, None, 0, 0, 0, 0)
    row = key_row(
        key(
            requests_per_minute=None,
            images_per_minute=None,
            concurrent=None,
            images_per_day=None,
            cost_per_day=None,
            standing=nothing,
            last_used=None,
        )
    )
    bars = [row[name] for name in ("requests", "images", "under_way", "today", "spent", "month")]
    assert [one["text"] for one in bars] == ["no limit", "no limit", "0", "0", "$0.00", "$0.00"]
    assert all(one["open"] for one in bars)
    assert (row["last"], row["exact"]) == ("never", "")


def test_keys_that_are_not_admitted_come_last() -> None:
    values: Any = key_panel.keys([key("old", state="expired"), key("lab"), key("studio")], NOW)
    assert [row["name"] for row in values["rows"]] == ["lab", "studio", "old"]
    assert values["rows"][2]["tone"] == "warn"
    assert values["choices"] == [{"key": "lab"}, {"key": "studio"}]
    assert (values["spent"], values["month"]) == ("$3.72", "$144.30 this month")


def test_no_more_keys_are_shown_than_a_page_can_bear() -> None:
    values: Any = key_panel.keys([key(f"key-{n}") for n in range(201)], NOW)
    assert (len(values["rows"]), values["more"]) == (200, "and 1 more key")


@pytest.mark.parametrize(
    ("used", "limit", "scarce", "part", "tone"),
    [
        (0, 10, False, 0.0, "good"),
        (8, 10, False, 0.8, "warn"),
        (12, 10, False, 1.0, "bad"),
        (5, 0, False, 0.0, "good"),
        (0, 10, True, 0.0, "bad"),
        (2, 10, True, 0.2, "warn"),
        (10, 10, True, 1.0, "good"),
        (50, 5, True, 1.0, "good"),
    ],
)
def test_a_bar_is_loud_where_little_is_left(
    used: float, limit: float, scarce: bool, part: float, tone: str
) -> None:
    found = bar(used, limit, scarce=scarce)
    assert (found["part"], found["tone"]) == (part, tone)
