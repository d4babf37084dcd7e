"""Ten keys with different limits, all asking for more than they may: each gets what it may.

Owns: who they are, how much each asks for, and what its limit allows at any time. Must not know:
how limits are counted. A trial is a second of load.
"""

import asyncio
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.clock import SystemClock
from tests.faults.customers import Asked, Customer, at_once, beyond, customer, in_a_minute
from tests.faults.ledger import spent
from tests.faults.processes import Vendor, serving, simulating
from tests.faults.proving import Assignment, Findings, Proof
from tests.faults.vendor import slow

_CLOCK = SystemClock()
_DAY = 86_400
_QUICK, _LONG = 0.05, 1.0
_PRICE = 20_000  # micro-dollars, in the configuration; the vendor takes half of it
_MICRO_PER_CREDIT = 5_000
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d 00:00:00 UTC")
_REST = 0.4  # seconds before a user asks again to whom no more is sold today
_EXACT = 60  # seconds of load from which what is admitted must come near to what is allowed
_NEAR = 0.9
_PATIENCE = 10.0
_A_HAIR = 0.01


@dataclass(frozen=True, slots=True)
class _Key:
    """A customer's limits, and how they ask: so many users, for ``n`` each, with pauses.

    ``quick`` limits are those of a short run.
    """

    name: str
    limits: Mapping[str, int | str]
    quick: Mapping[str, int | str] | None = None
    users: int = 4
    n: int = 1
    seconds: float = _QUICK
    pause: float = 0.0

    @property
    def secret(self) -> str:
        return f"the-key-of-{self.name}".replace(" ", "-")


_KEYS = (
    _Key(
        "requests",
        {"requests_per_minute": 120, "requests_burst": 20},
        {"requests_per_minute": 240, "requests_burst": 4},
    ),
    _Key(
        "pictures",
        {"images_per_minute": 90, "images_burst": 12},
        {"images_per_minute": 360, "images_burst": 6},
        n=3,
    ),
    _Key("alone", {"requests_per_minute": 60, "requests_burst": 1}, users=1),
    _Key(
        "both",
        {
            "requests_per_minute": 60,
            "requests_burst": 5,
            "images_per_minute": 100,
            "images_burst": 10,
        },
        n=2,
    ),
    _Key("more than its burst", {"images_per_minute": 60, "images_burst": 2}, users=3, n=4),
    _Key("at once", {"concurrent": 3}, {"concurrent": 1}, users=6, seconds=_LONG),
    _Key("a day's pictures", {"images_per_day": 201}, n=2, pause=0.1),
    _Key("a day's costs", {"cost_per_day": "1.00"}, {"cost_per_day": "0.10"}, pause=0.1),
    _Key("a month's costs", {"cost_per_month": "2.01", "requests_per_minute": 90}, users=3),
    _Key("free", {}, users=2, pause=0.3),
)


@dataclass(slots=True)
class _Books:
    """What the vendor sold and made for one key, by wish."""

    purchases: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    credits: int = 0

    @property
    def images(self) -> int:
        return sum(sum(numbers) for numbers in self.purchases.values())

    @property
    def cost(self) -> int:
        return self.credits * _MICRO_PER_CREDIT


async def ten_keys(assignment: Assignment) -> Findings:
    """All at once for so many seconds, then the books are compared."""
    findings, folder = Findings(), assignment.folder
    long = assignment.trials >= _EXACT
    keys = [key for key in _KEYS if long or key.quick is not None]
    sections = [{"name": key.name, "key": key.secret, "limits": _limits(key, long)} for key in keys]
    price = dict.fromkeys(("low", "medium", "high"), f"{_PRICE / 1e6:.2f}")
    prices = dict.fromkeys(("tier_1k", "tier_2k", "tier_4k"), price)
    models = {"gpt-image-2": {"prices": prices}}
    async with (
        simulating(folder) as vendor,
        serving(folder, vendor, keys=sections, models=models) as gateway,
        AsyncExitStack() as stack,
    ):
        await vendor.told("faults", slow((_QUICK, _LONG)))
        customers = [
            await stack.enter_async_context(customer(gateway.url, key.name, key.secret))
            for key in keys
        ]
        begun = _CLOCK.wall()
        seconds = await _load(assignment, keys, customers)
        days = int(_CLOCK.wall() // _DAY) - int(begun // _DAY) + 1
        books = await _read_books(vendor, customers, findings)
        for key, holder in zip(keys, customers, strict=True):
            trial = _Trial(key, holder, _limits(key, long), books[key.name], findings)
            _settle(trial, days)
            if long:
                _hold_near(trial, seconds)
        await _compare(findings, folder / "state.db", books)
    findings.count("trials", assignment.trials)
    if not findings.counts.get("retried after 429, and served"):
        findings.breach("no retry of the SDK's was served after a 429: nothing proven")
    return findings


def _limits(key: _Key, long: bool) -> Mapping[str, int | str]:
    return key.limits if long or key.quick is None else key.quick


async def _load(
    assignment: Assignment, keys: Sequence[_Key], customers: Sequence[Customer]
) -> float:
    """Users who ask again as soon as they were told, until the time is over; how long it was."""
    begun = _CLOCK.monotonic()
    until = begun + assignment.trials

    def goes_on(key: _Key, holder: Customer) -> bool:
        """A budget is always asked for until it is used up."""
        has_some = _has_budget(key.limits) and not any(map(_is_over, holder.asked))
        return _CLOCK.monotonic() < until or has_some

    async def user(key: _Key, holder: Customer) -> None:
        while goes_on(key, holder):
            end = await holder.ask(key.seconds, key.n)
            await _CLOCK.sleep(_REST if _is_over(end) else key.pause)

    async with asyncio.TaskGroup() as users:
        for key, holder in zip(keys, customers, strict=True):
            for _ in range(key.users):
                users.create_task(user(key, holder))
    assignment.tell(f"{sum(len(holder.asked) for holder in customers)} wishes")
    return _CLOCK.monotonic() - begun


async def _read_books(
    vendor: Vendor, customers: Sequence[Customer], findings: Findings
) -> dict[str, _Books]:
    """What the vendor sold, by key: a wish's name begins with it."""
    owner = {asked.wish.sha256: (one, asked) for one in customers for asked in one.asked}
    books = {one.name: _Books() for one in customers}
    told = await vendor.told("purchases?tasks=20000")
    if told["purchases"] != len(told["tasks"]):
        findings.breach("the vendor's books do not hold all that was bought: nothing proven")
    for task in told["tasks"]:
        if task["prompt_sha256"] not in owner:
            findings.breach(f"{task['id']} was bought for no wish")
            continue
        holder, asked = owner[task["prompt_sha256"]]
        book = books[holder.name]
        book.purchases[asked.wish.name].append(task["n"])
        book.credits += task["credits"]
    return books


@dataclass(frozen=True, slots=True)
class _Trial:
    """One key and all that is known of it."""

    key: _Key
    customer: Customer
    limits: Mapping[str, Any]
    books: _Books
    findings: Findings

    def breach(self, sentence: str) -> None:
        self.findings.breach(f"key {self.key.name!r}: {sentence}")


def _settle(trial: _Trial, days: int) -> None:
    findings, holder = trial.findings, trial.customer
    findings.count("wishes", len(holder.asked))
    findings.count("pictures delivered", sum(asked.pictures for asked in holder.asked))
    findings.count("pictures bought", trial.books.images)
    findings.count(f"{trial.key.name}: requests admitted", len(holder.admitted()))
    findings.count(f"{trial.key.name}: pictures bought", trial.books.images)
    findings.count(f"{trial.key.name}: 429 on the wire", sum(map(len, holder.refused().values())))
    _hold_purchases(trial)
    _hold_errors(trial)
    for sentence in (*_beyond_rates(trial), *_beyond_budgets(trial, days)):
        trial.breach(sentence)


def _hold_purchases(trial: _Trial) -> None:
    """Whoever was served has bought once, and got all of it; whoever was not, nothing."""
    for asked in trial.customer.asked:
        bought = trial.books.purchases.get(asked.wish.name, [])
        due = [asked.n] if asked.error is None else []
        if bought != due or asked.pictures != sum(due):
            told = f"{asked.pictures} pictures, {asked.code}, bought {bought}"
            trial.breach(f"{asked.wish.name}, n={asked.n}: {told}")


def _hold_errors(trial: _Trial) -> None:
    """What frees soon is retried by the SDK; what does not is told at once, and when it does."""
    findings, refused = trial.findings, trial.customer.refused()
    for asked in trial.customer.asked:
        sendings = refused.get(asked.wish.name, [])
        final = [one for one in sendings if one.final]
        if asked.error is None:
            findings.count("retried after 429, and served", int(bool(sendings)))
            continue
        findings.count(f"told {asked.code}")
        if asked.code == "insufficient_quota":
            told = str(asked.error)
            known = type(asked.error).__name__ == "RateLimitError" and _MOMENT.search(told)
            if not known or len(final) != 1 or sendings[-1].retry_after is not None:
                trial.breach(f"{asked.wish.name}: {len(final)} times {told}")
        elif asked.code != "rate_limit_exceeded" or final or len(sendings) != 3:
            trial.breach(f"{asked.wish.name}: {asked.error} after {len(sendings)} times 429")
        elif trial.key.users == 1:
            trial.breach(f"{asked.wish.name}: alone, and a told wait was not enough: {asked.error}")
    if not trial.limits and refused:
        trial.breach(f"{len(refused)} wishes were told 429, and there is no limit")


def _beyond_rates(trial: _Trial) -> Iterator[str]:
    """No stretch of time saw more than its limit allows."""
    requests = trial.customer.admitted()
    ones = [type(one)(one.sent, one.told, 1) for one in requests]
    for what, admitted in (("requests", ones), ("images", requests)):
        limit = trial.limits.get(f"{what}_per_minute")
        if limit is None:
            continue
        burst = trial.limits.get(f"{what}_burst", -(-limit // 6))
        over, minute = beyond(admitted, limit, burst), in_a_minute(admitted)
        trial.findings.measure(f"{what} beyond the limit", over)
        trial.findings.measure(f"{trial.key.name}: {what} within 60 s", minute)
        if over > _A_HAIR or minute > limit + max(burst, trial.key.n if what == "images" else 1):
            yield f"{over:.2f} {what} more than allowed; {minute} within 60 s"
    limit = trial.limits.get("concurrent")
    if limit is not None:
        most = at_once(requests, trial.key.seconds)
        trial.findings.measure(f"{trial.key.name}: most at once", most)
        if most > limit:
            yield f"{most} at once, and {limit} are allowed"


def _beyond_budgets(trial: _Trial, days: int) -> Iterator[str]:
    """All of a budget was used, and no more. A run over midnight has had a second day's."""
    used, name = trial.books.images, "images_per_day"
    limit: int | None = trial.limits.get(name)
    rest = trial.key.n - 1
    for costs in ("cost_per_day", "cost_per_month"):
        if costs in trial.limits:
            used, name = trial.books.cost, costs
            limit = round(float(trial.limits[costs]) * 1e6)
            # Refused at the last was what had no room beside what its like had reserved.
            rest = _PRICE * trial.key.n * (1 + trial.key.users)
    if limit is None:
        return
    trial.findings.count(f"{trial.key.name}: used of {limit}", used)
    if not limit - rest <= used <= limit * days:
        yield f"{used} of {limit} were used of {name} in {days} days"


def _hold_near(trial: _Trial, seconds: float) -> None:
    """Who asks for more gets what is allowed, not less: the smallest of what its rates allow."""
    limits, n = trial.limits, trial.key.n
    # One user alone asks no faster than it is answered: what counts there are the told waits.
    if _has_budget(limits) or "concurrent" in limits or not limits or trial.key.users == 1:
        return
    allowed = []
    if (limit := limits.get("requests_per_minute")) is not None:
        allowed.append(limits.get("requests_burst", -(-limit // 6)) + seconds * limit / 60)
    if (limit := limits.get("images_per_minute")) is not None:
        allowed.append((limits.get("images_burst", -(-limit // 6)) + seconds * limit / 60) / n)
    admitted = len(trial.customer.admitted())
    trial.findings.count(f"{trial.key.name}: requests allowed", int(min(allowed)))
    if admitted < _NEAR * min(allowed):
        trial.breach(f"{admitted} requests were admitted of {min(allowed):.0f} that were allowed")


def _has_budget(limits: Mapping[str, Any]) -> bool:
    return any(name in limits for name in ("images_per_day", "cost_per_day", "cost_per_month"))


def _is_over(asked: Asked) -> bool:
    return asked.code == "insufficient_quota"


async def _compare(findings: Findings, ledger: Path, books: Mapping[str, _Books]) -> None:
    """The ledger's accounts are the vendor's books; it may write the last of it a moment later."""
    due = {name: (book.images, book.cost) for name, book in books.items() if book.images}
    until = _CLOCK.monotonic() + _PATIENCE
    while (told := spent(ledger)) != due and _CLOCK.monotonic() < until:
        await _CLOCK.sleep(0.1)
    findings.count("accounts that agree", sum(told.get(name) == due[name] for name in due))
    if told != due:
        findings.breach(f"the ledger's accounts are {told}, and the vendor's {due}")


PROOFS = (
    Proof(
        "R20",
        "ten_keys",
        "Ten keys ask for more than they may: each gets its limit, not more, and pays for that.",
        light=2,
        full=300,
        run=ten_keys,
        part=300,
        goals={
            "requests beyond the limit": "at most 0",
            "images beyond the limit": "at most 0",
            "pictures delivered": "= pictures bought",
            "accounts that agree": "every key's",
        },
    ),
)
