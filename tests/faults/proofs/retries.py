"""R1: a retry of the client's never buys again, and gets what the first try has bought."""

import contextlib
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack

from tests.faults.accounts import settle, unanswered
from tests.faults.nginx import proxying
from tests.faults.proving import Assignment, Findings, Proof
from tests.faults.supervisor import Supervisor, supervising
from tests.faults.users import Reply, User, crowd, using
from tests.faults.wishes import Wish

_TIMEOUT = 1.5
_MAX_RETRIES = 3  # four tries of 1.2 s and more, with a second between them: 7 s in all
_SECONDS = (1.8, 2.4, 3.0)
_CUT = 2  # seconds that nginx waits for an answer
_SECONDS_BEHIND_NGINX = (2.2, 3.0, 3.8)


async def retries(assignment: Assignment) -> Findings:
    """Time-outs shorter than the task; every second user keeps them to itself."""
    findings = Findings()
    wishes = [_wish(assignment, number, _SECONDS) for number in _numbers(assignment)]
    manners = {"timeout": _TIMEOUT, "max_retries": _MAX_RETRIES}
    async with _world(assignment) as supervisor, AsyncExitStack() as users:
        declaring = await users.enter_async_context(using(supervisor.url, **manners))
        silent = await users.enter_async_context(using(supervisor.url, silent=True, **manners))

        async def ask(numbered: tuple[int, Wish]) -> Reply:
            number, wish = numbered
            return await (silent if number % 2 else declaring).ask(wish)

        await supervisor.vendor.takes(*_SECONDS)
        replies = await crowd(enumerate(wishes), ask)
        unanswered(findings, replies)
        assignment.tell(f"{len(replies)} answers")
        again = await _claimed(findings, replies, declaring)
        await settle(findings, supervisor, [*replies, *again], wishes)
    _one_each(findings)
    return findings


async def through_nginx(assignment: Assignment) -> Findings:
    """A proxy that gives up on the gateway before the vendor is done, and answers 504."""
    findings = Findings()
    wishes = [_wish(assignment, number, _SECONDS_BEHIND_NGINX) for number in _numbers(assignment)]
    async with (
        _world(assignment) as supervisor,
        proxying(assignment.folder / "nginx", supervisor.url, read_timeout=_CUT) as proxy,
        using(proxy.url) as user,
    ):
        await supervisor.vendor.takes(*_SECONDS_BEHIND_NGINX)
        replies = await crowd(wishes, user.ask)
        unanswered(findings, replies)
        again = await _claimed(findings, replies, user)
        await settle(findings, supervisor, [*replies, *again], wishes)
    cut = proxy.statuses().count(504)
    findings.count("answers of 504 by nginx", cut)
    if cut < len(wishes):
        findings.breach(f"nginx cut {cut} calls only: it was not in the way")
    _one_each(findings)
    return findings


async def _claimed(findings: Findings, replies: Sequence[Reply], user: User) -> list[Reply]:
    """Ask everything once more, as an SDK's retry: the same bytes come, and nothing is bought."""
    digests = {reply.wish: reply.digest for reply in replies if reply.answered}

    async def ask(wish: Wish) -> Reply:
        return await user.ask(wish, retry_count=1)

    again = await crowd(digests, ask)
    for reply in again:
        same = reply.digest == digests[reply.wish]
        findings.count("same bytes for a late retry", int(same))
        if not same:
            findings.breach(f"{reply.wish.name}: a late retry got {reply.error or 'other bytes'}")
    return again


def _one_each(findings: Findings) -> None:
    if findings.counts["purchases"] != findings.counts["wishes"]:
        findings.breach(
            f"{findings.counts['purchases']} purchases for {findings.counts['wishes']} wishes"
        )


@contextlib.asynccontextmanager
async def _world(assignment: Assignment) -> AsyncIterator[Supervisor]:
    async with supervising(assignment.folder) as supervisor:
        await supervisor.start_ready()
        yield supervisor


def _numbers(assignment: Assignment) -> range:
    return range(assignment.first, assignment.first + assignment.trials)


def _wish(assignment: Assignment, number: int, seconds: Sequence[float]) -> Wish:
    dice = random.Random(f"{assignment.seed}/{number}")  # noqa: S311 - repeatable on purpose
    return Wish(f"wish {number}", dice.choice(seconds))


PROOFS = (
    Proof(
        "R1",
        "retries",
        "A client's retry after its own time-out never buys again, and gets what is paid for.",
        light=30,
        full=2000,
        run=retries,
        part=400,
        goals={"doubles": "0", "lost": "0", "answers": "as many as wishes"},
    ),
    Proof(
        "R1",
        "nginx",
        "A proxy that gives up at two seconds makes nobody pay twice, and nobody go without.",
        light=16,
        full=500,
        run=through_nginx,
        part=250,
        goals={"doubles": "0", "lost": "0", "answers": "as many as wishes"},
    ),
)
