"""``tasks show``: one job, its pictures, and what happened."""

import json
import re

from tests.cli.looks import Looks
from tests.state.ledgers import a_plan


def test_everything_about_a_job_is_told(looks: Looks) -> None:
    looks.ledger.now = 1_790_000_000.0
    job = looks.ledger.job(
        *("done", "failed"),
        idempotency_key="order-77",
        links={"digest": "https://files.example/secret"},
        failure={"kind": "TaskFailed", "message": "It could not be made", "code": "task_failed"},
        delivered_at=looks.ledger.now + 75,
    )
    looks.ledger.task(job, "lost", 1, replaced=1)
    first, second, third = looks.ledger.tasks(job)
    there = looks.shelve(job, "a" * 32, b"x" * 1234, expires_at=1e11)
    looks.ledger.picture(job, "b" * 32, place=1, expires_at=1e11)
    looks.ledger.picture(job, "c" * 32, place=2, expires_at=5.0)
    looks.ledger.told(job, 0.4, "create_sent", first)
    looks.ledger.told(job, 12.1, "created", first, upstream_id="tsk_img_01", seconds=11.7)
    looks.ledger.told(job, 184.0, "job_ended", code="task_failed")
    lines = looks.tasks("show", job).stdout.splitlines()
    assert [re.sub(" +", " ", line).strip() for line in lines] == [
        f"{job} failed",
        f"asked 2026-09-21 14:13:20 UTC ({between('(', ' ago', lines[1])} ago) with the key studio",
        (
            "for generation, gpt-image-2 (asked for as dall-e-3), 2 pictures, 1k, quality high, "
            "1 picture sent along"
        ),
        "idempotency key order-77",
        "ended after 70.0 s",
        "failure It could not be made (task_failed)",
        "pictures delivered, 2026-09-21 14:14:35 UTC",
        "cost $0.135",
        "",
        "TASK STATE VENDOR'S ID COST PICTURES",
        f"{first} done tsk_img_{first[-8:]} $0.135 delivered",
        f"{second} failed tsk_img_{second[-8:]}",
        f"{third} (LOST) replaced by another task",
        "",
        "PICTURE PIXELS SIZE FILE",
        f"1 1024x768 1.2 kB there, {between('there, ', ' left', lines[15])} left {there}",
        f"2 1024x768 1.4 MB GONE {looks.shelf}/{'b' * 32}.png",
        f"3 1024x768 1.4 MB expired {looks.shelf}/{'c' * 32}.png",
        "",
        "STORY",
        f"+0.4 s task …{first[-6:]} create sent",
        f"+12.1 s task …{first[-6:]} accepted as tsk_img_01",
        "+3 min 04 s the job ended with task_failed",
    ]


def between(before: str, after: str, line: str) -> str:
    """What depends on the time of the test."""
    return line.partition(before)[2].partition(after)[0]


def test_of_a_bare_job_only_what_there_is_is_told(looks: Looks) -> None:
    job = looks.ledger.job("intent", plan="{}")
    told = looks.tasks("show", job).stdout.splitlines()
    assert told[0] == f"{job}  running"
    assert told[1].startswith("  asked            20")
    assert told[2:] == ["", "TASK                             STATE", *told[4:]]
    assert told[4:] == [f"{looks.ledger.tasks(job)[0]}  intent"]


def test_a_job_is_found_by_a_tasks_and_the_vendors_id(looks: Looks) -> None:
    job = looks.ledger.job("running")
    (task,) = looks.ledger.tasks(job)
    for name in (job, task, f"tsk_img_{task[-8:]}"):
        assert looks.tasks("show", name).stdout.startswith(f"{job}  running\n")


def test_a_job_that_was_taken_up_again_has_its_whole_story(looks: Looks) -> None:
    job = looks.ledger.job("failed", "running", created_at=looks.ledger.now + 500, ended_at=None)
    looks.ledger.told(job, 2.0, "create_sent")
    looks.ledger.told(job, 502.0, "job_reopened", missing=1)
    story = looks.tasks("show", job).stdout.partition("STORY\n")[2]
    assert [line.strip() for line in story.splitlines()] == [
        "+0.0 s  create sent",
        "+8 min 20 s  taken up again for a new request, tasks to buy: 1",
    ]


def test_an_unknown_id_is_said_to_be_so(looks: Looks) -> None:
    for call in ("show", "claim"):
        result = looks.tasks(call, "job_\x1bX")
        assert (result.exit_code, result.stdout) == (1, "")
        expected = "The ledger knows no job, task or vendor's id 'job_\ufffdX'.\n"
        assert result.stderr == expected


def test_the_model_is_told_once_where_it_was_asked_for_by_its_name(looks: Looks) -> None:
    job = looks.ledger.job("running", plan=a_plan(1, requested_model="gpt-image-2"))
    assert "generation, gpt-image-2, 1 picture, 1k" in looks.tasks("show", job).stdout
    job = looks.ledger.job("running", plan=a_plan(1, requested_model=None))
    assert "generation, gpt-image-2, 1 picture, 1k" in looks.tasks("show", job).stdout


def test_json_holds_the_same(looks: Looks) -> None:
    job = looks.ledger.job("done", failure={"kind": "TaskFailed", "message": "m"})
    (task,) = looks.ledger.tasks(job)
    there = looks.shelve(job, "a" * 32, b"xyz", format="jpeg")
    looks.ledger.told(job, 1, "created", task, upstream_id="tsk_img_01")
    told = json.loads(looks.tasks("show", task, "--json").stdout)
    assert (told["job_id"], told["state"], told["delivered"]) == (job, "failed", "unclaimed")
    assert told["failure"] == {"kind": "TaskFailed", "message": "m", "code": None, "param": None}
    (picture,) = told["pictures"]
    assert (picture["path"], picture["there"], picture["size"]) == (str(there), True, 3)
    (event,) = told["story"]
    assert (event["event"], event["detail"]) == ("created", {"upstream_id": "tsk_img_01"})
    assert event["told"] == "accepted as tsk_img_01"
    unfailed = json.loads(looks.tasks("show", looks.ledger.job("done"), "--json").stdout)
    assert unfailed["failure"] is None


def test_it_is_told_who_was_to_be_told_and_whether_they_were(looks: Looks) -> None:
    job = looks.ledger.job("done")
    rows: tuple[tuple[str, dict[str, object]], ...] = (
        ("one", {"told_at": 12.0, "attempts": 2, "answer": "HTTP 204"}),
        ("two", {"given_up_at": 12.0, "attempts": 10, "answer": "HTTP 500"}),
        ("three", {"due_at": 1e11, "attempts": 1, "answer": "timeout"}),
        ("four", {"due_at": 5.0}),
        ("five", {}),
    )
    for name, row in rows:
        url = f"https://{name}.example.com/a/secret?token=7"
        named = {"hook_id": f"hook_{name}", "url": url, "base_url": "http://here"}
        looks.ledger.insert("hooks", job_id=job, key_name="studio", **named, **row)
    shown = looks.tasks("show", job).stdout
    table = shown.partition("TO BE TOLD")[2].partition("\n\n")[0].splitlines()[1:]
    lines = [re.sub(" +", " ", line).strip() for line in table]
    assert re.sub(r"in .* 1", "in … 1", lines[2]) == "three.example.com due in … 1 timeout"
    assert [*lines[:2], *lines[3:]] == [
        "one.example.com delivered 2 HTTP 204",
        "two.example.com given up 10 HTTP 500",
        "four.example.com due 0",
        "five.example.com waiting 0",
    ]
    told = json.loads(looks.tasks("show", job, "--json").stdout)["webhooks"]
    assert [one["state"] for one in told] == ["delivered", "given up", "due", "due", "waiting"]
    assert told[0]["host"] == "one.example.com"
    assert "secret" not in shown + json.dumps(told)


def test_a_ledger_that_knows_no_webhooks_tells_of_none(looks: Looks) -> None:
    job = looks.ledger.job("done")
    looks.ledger.connection.execute("DROP TABLE hooks")
    assert "TO BE TOLD" not in looks.tasks("show", job).stdout
    assert json.loads(looks.tasks("show", job, "--json").stdout)["webhooks"] == []
