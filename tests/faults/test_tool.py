"""``./run prove`` itself: with proofs that break on purpose, and a vendor that really sells."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.failpoints import NAMES, arm
from tests.cli.processes import PATIENCE, environment
from tests.faults.__main__ import main
from tests.faults.accounts import audit, doubles
from tests.faults.catalogue import catalogue, chosen, promises
from tests.faults.ledger import Entry
from tests.faults.proofs.fail_points import trial_of
from tests.faults.proving import Assignment, Findings, Proof
from tests.faults.records import Asked, Part, Records
from tests.faults.supervisor import supervising
from tests.faults.users import Reply
from tests.faults.vendor import Purchase
from tests.faults.wishes import OPTIONS, Wish
from tests.repo.source import ROOT

Deed = Callable[[Assignment, Findings], Awaitable[None]]


async def nothing(assignment: Assignment, findings: Findings) -> None:
    pass


def proof(name: str = "calm", deed: Deed = nothing, promise: str = "R1", **more: int) -> Proof:
    """A proof that remembers nothing but counts its trials, and then does a deed."""

    async def run(assignment: Assignment) -> Findings:
        findings = Findings()
        findings.count("trials", assignment.trials)
        findings.count("sum of seeds", assignment.seed)
        (assignment.folder / "a.log").write_text(name)
        assignment.tell("under way")
        await deed(assignment, findings)
        return findings

    numbers = {"light": 3, "full": 25, "part": 10, **more}
    return Proof(promise, name, "It holds.", run=run, goals={"trials": "all"}, **numbers)


async def break_in_part_two(assignment: Assignment, findings: Findings) -> None:
    if assignment.first:
        findings.breach(f"trial {assignment.first} was bought twice")


async def be_unable(assignment: Assignment, findings: Findings) -> None:
    async with asyncio.TaskGroup():
        raise RuntimeError("no nginx here")


def report(folder: Path) -> Any:
    return json.loads((folder / "report.json").read_text())


def test_a_promise_that_holds_is_reported_with_all_that_took_part(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--seed", "5"], [proof()], tmp_path) == 0
    told = report(tmp_path)
    assert (told["seed"], told["full"], told["held"]) == (5, False, True)
    assert set(told["versions"]) >= {"gateway", "python", "sqlite", "openai", "platform"}
    (one,) = told["proofs"]
    assert (one["trials"], one["wanted"], one["counts"]["trials"]) == (3, 3, 3)
    text = (tmp_path / "report.txt").read_text()
    assert "| R1 | calm | 3 of 3 |" in text
    assert "* trials: 3 (goal: all)" in text
    assert "calm: under way" in capsys.readouterr().out
    assert list((tmp_path / "work").iterdir()) == []


def test_the_full_numbers_are_made_in_parts_that_do_not_overlap(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []

    async def note(assignment: Assignment, findings: Findings) -> None:
        seen.append((assignment.first, assignment.trials))

    assert main(["--full"], [proof(deed=note)], tmp_path) == 0
    assert seen == [(0, 10), (10, 10), (20, 5)]
    assert len({part.findings.counts["sum of seeds"] for part in parts(tmp_path)}) == 1


def test_what_has_no_light_number_is_run_in_full_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    proofs = [proof("long", light=0, full=1), proof()]
    assert main([], proofs, tmp_path) == 0
    assert [one["name"] for one in report(tmp_path)["proofs"]] == ["calm"]
    assert main(["--only", "long"], proofs, tmp_path) == 2
    assert "long is run with --full alone" in capsys.readouterr().out
    assert main(["--only", "long", "--full"], proofs, tmp_path) == 0
    assert report(tmp_path)["proofs"][0]["trials"] == 1


def parts(folder: Path) -> list[Part]:
    return list(Records(folder).parts().values())


def test_a_broken_promise_is_found_and_its_files_are_kept(tmp_path: Path) -> None:
    broken = proof("broken", break_in_part_two)
    assert main(["--full"], [broken, proof()], tmp_path) == 1
    told = report(tmp_path)
    first, second = told["proofs"]
    assert first["breaches"] == ["trial 10 was bought twice", "trial 20 was bought twice"]
    assert (first["held"], second["held"], told["held"]) == (False, True, False)
    assert "BROKEN: trial 10 was bought twice" in (tmp_path / "report.txt").read_text()
    kept = sorted(path.name for path in (tmp_path / "work").iterdir())
    assert kept == ["broken-10", "broken-20"]


def test_a_proof_that_cannot_be_run_is_no_proof_and_stops_no_other(tmp_path: Path) -> None:
    assert main([], [proof("unable", be_unable), proof()], tmp_path) == 1
    unable, calm = report(tmp_path)["proofs"]
    assert unable["errors"] == ["trials from 0 on: RuntimeError: no nginx here"]
    assert (unable["breaches"], unable["held"], calm["held"]) == ([], False, True)
    assert "not proven" in (tmp_path / "report.txt").read_text()
    assert "no nginx here" in (tmp_path / "work/unable-0/error.txt").read_text()


def test_an_interrupted_run_goes_on_where_it_stopped(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []

    async def be_interrupted_once(assignment: Assignment, findings: Findings) -> None:
        seen.append((assignment.seed, assignment.first))
        if assignment.first == 10 and len(seen) == 2:
            raise KeyboardInterrupt

    proofs = [proof(deed=be_interrupted_once), proof("second", promise="R2")]
    (tmp_path / "report.json").write_text("an older one")
    assert main(["--full", "--only", "R1", "--seed", "7"], proofs, tmp_path) == 130
    assert not (tmp_path / "report.json").exists()
    assert main(["--resume"], proofs, tmp_path) == 0
    assert seen == [(7, 0), (7, 10), (7, 10), (7, 20)]
    told = report(tmp_path)
    assert (told["seed"], told["full"], told["only"]) == (7, True, ["R1"])
    assert [one["trials"] for one in told["proofs"]] == [25]


def test_what_could_not_be_run_is_tried_again_when_resumed(tmp_path: Path) -> None:
    assert main(["--seed", "1"], [proof(deed=be_unable)], tmp_path) == 1
    assert main(["--resume", "--seed", "1"], [proof()], tmp_path) == 0


def test_a_breach_is_not_healed_by_resuming(tmp_path: Path) -> None:
    assert main(["--full"], [proof(deed=break_in_part_two)], tmp_path) == 1
    assert main(["--resume"], [proof()], tmp_path) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["--only", "R99"],
        ["--resume", "--seed", "2"],
        ["--resume", "--full"],
        ["--resume", "--only", "R2"],
    ],
)
def test_a_wrong_call_is_told_and_leaves_the_record_alone(
    tmp_path: Path, arguments: list[str]
) -> None:
    Records(tmp_path).begin(Asked(1))
    assert main(arguments, [proof(), proof("two", promise="R2")], tmp_path) == 2
    assert Records(tmp_path).asked() == Asked(1)


def test_without_a_record_there_is_nothing_to_resume(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--resume"], [proof()], tmp_path) == 2
    assert "nothing to resume" in capsys.readouterr().out


def test_a_record_cut_short_by_a_dying_process_is_of_a_part_that_was_not_done(
    tmp_path: Path,
) -> None:
    records = Records(tmp_path)
    records.begin(Asked(1, full=True))
    first, second = Part("calm", 0, 10, 1.0), Part("calm", 10, 10, 1.0, error="no")
    records.add(first)
    records.add(second)
    path = tmp_path / "progress.jsonl"
    path.write_text(path.read_text()[:-20])
    assert parts(tmp_path) == [first]
    records.add(second)
    assert parts(tmp_path) == [first, second]


def test_proofs_are_chosen_by_promise_or_by_name() -> None:
    one, two, three = proof("one"), proof("two"), proof("three", promise="R3/R4")
    assert chosen([one, two, three], ["R3", "one"]) == (one, three)
    assert chosen([one, two, three], ["R4"]) == (three,)
    assert chosen([one, two], []) == (one, two)


def test_every_proof_of_the_catalogue_can_be_asked_for() -> None:
    for one in catalogue():
        assert chosen(catalogue(), [one.name]) == (one,)
        assert all(one in chosen(catalogue(), [promise]) for promise in promises(one))
        assert 0 < one.light <= one.full
        assert one.part > 0


def test_the_kills_cover_every_place_and_every_passing() -> None:
    trials = [trial_of(7, number) for number in range(12 * len(NAMES))]
    for name in NAMES:
        mine = [trial for trial in trials if trial.place == name]
        assert len(mine) == 12
        assert {trial.passing for trial in mine} >= {1, 2, 3} or name.startswith("ledger.")
    try:
        for trial in trials:
            arm(trial.script)
    finally:
        arm("")


WISH = Wish("one", 0.5)
OTHER = Wish("two", 0.5)


def bought(number: int, wish: Wish = WISH) -> Purchase:
    return Purchase(f"tsk_{number}", f"task_{number}", wish.sha256, "done", 0.5)


def entered(number: int, state: str = "done", **more: object) -> Entry:
    entry = {
        "task_id": f"task_{number}",
        "upstream_id": f"tsk_{number}",
        "state": state,
        "accepted_at": 1.0,
        "job_id": "job",
        "ended_at": 2.0,
        "delivered_at": None,
        **more,
    }
    return Entry(**entry)  # type: ignore[arg-type]


def test_a_double_is_found_in_the_vendors_books() -> None:
    names = {WISH.sha256: "one", OTHER.sha256: "two"}
    assert doubles([bought(1), bought(2, OTHER)], names) == []
    assert doubles([bought(1), bought(2), bought(3, OTHER)], names) == ["one was bought 2 times"]
    (nobodys,) = doubles([bought(1)], {})
    assert nobodys.startswith("something nobody wished for")


@pytest.mark.parametrize(
    ("entry", "where"),
    [
        (entered(1, tokens=("a", "b")), "claimable"),
        (entered(1, delivered_at=3.0), "delivered"),
        (entered(1, "failed"), "failed"),
        (entered(1, tokens=("a", "gone")), "lost"),
        (entered(1), "lost"),
        (entered(1, "lost"), "lost"),
        (entered(1, "running"), "lost"),
        (entered(1, "creating", upstream_id=None), "lost"),
        (entered(2, "done", tokens=("a",)), "lost"),
    ],
)
def test_a_purchase_is_somewhere_or_lost(entry: Entry, where: str) -> None:
    found = audit([bought(1)], [entry], frozenset({"a", "b"}), [], [WISH])
    assert found.doubles == []
    counted = {"delivered": found.delivered, "claimable": found.claimable, "failed": found.failed}
    assert {**counted, "lost": len(found.lost)} == {
        **dict.fromkeys(counted, 0),
        "lost": 0,
        where: 1,
    }


def test_one_answer_does_not_account_for_two_purchases() -> None:
    answer = Reply(WISH, 1.0, digest="d")
    entries = [entered(1, "running"), entered(2, "running")]
    assert audit([bought(1)], entries, frozenset(), [answer], [WISH]).delivered == 1
    twice = audit([bought(1), bought(2)], entries, frozenset(), [answer], [WISH])
    assert (twice.delivered, len(twice.lost), len(twice.doubles)) == (0, 2, 1)


async def test_the_vendors_books_tell_a_double_by_its_prompt(tmp_path: Path) -> None:
    async with supervising(tmp_path / "world") as supervisor:
        vendor = supervisor.vendor
        await vendor.takes(WISH.seconds)
        order = {**OPTIONS, "model": "gpt-image-1.5-official", "size": "4:3", "resolution": "1k"}
        async with httpx.AsyncClient(base_url=vendor.url, trust_env=False) as client:
            for number, wish in enumerate((WISH, OTHER, WISH)):
                body = {**order, "prompt": wish.prompt, "client_business_id": f"task_{number}"}
                key = {"authorization": "Bearer simulated"}
                answer = await client.post("/v1/images/generations", json=body, headers=key)
                assert answer.status_code == 200, answer.text
        purchases = await vendor.purchases()
        assert await vendor.bought() == 3
    assert [one.seconds for one in purchases] == [0.5] * 3
    assert [one.business_id for one in purchases] == ["task_0", "task_1", "task_2"]
    names = {WISH.sha256: "one", OTHER.sha256: "two"}
    assert doubles(purchases, names) == ["one was bought 2 times"]


def test_the_command_tells_its_options(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    assert "./run prove" in capsys.readouterr().out


def test_as_a_program_it_exits_with_what_it_came_to() -> None:
    wrong = subprocess.run(
        [sys.executable, "-m", "tests.faults", "--seed", "chance"],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert wrong.returncode == 2
    assert "invalid int value: 'chance'" in wrong.stderr
