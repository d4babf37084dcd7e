"""The breaker: when it opens, what goes on then, and what no longer counts."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.config.sections import Breaker as Section
from gateway.notices import (
    BreakerClosed,
    BreakerOpened,
)
from gateway.upstream.breaker import PROBING, Admitted, Breaker
from tests.clocks import FakeClock

OPENED_AGAIN = BreakerOpened(failures=1, of=1, seconds=15.0)


class Bench:
    """A breaker that opens at half of four, over twenty seconds, for fifteen."""

    def __init__(self, **changes: float) -> None:
        self.clock = FakeClock(now=0.0)
        self.facts: list[object] = []
        given = {"share": 0.5, "least": 4, "window": 20, "pause": 15, **changes}
        self.breaker = Breaker(Section.model_validate(given), self.clock, self.facts.append)

    @property
    def state(self) -> str:
        return self.breaker.state.value

    def enter(self) -> Admitted:
        call = self.breaker.admit()
        assert isinstance(call, Admitted)
        return call

    def outcomes(self, letters: str) -> None:
        """One call after the other: f for a failure, s for a success, v for neither."""
        for letter in letters:
            call = self.enter()
            {"f": self.breaker.failed, "s": self.breaker.succeeded, "v": self.breaker.void}[letter](
                call
            )

    def open(self) -> None:
        self.outcomes("ffff")
        assert self.state == "open"


@pytest.mark.parametrize(
    ("outcomes", "opened"),
    [
        ("fff", None),
        ("ffff", (4, 4)),
        ("ssff", (2, 4)),
        ("ffss", (2, 4)),  # whatever comes last: it is the share that counts
        ("sssf", None),
        ("sssff", None),
        ("sssfff", (3, 6)),
        ("ssss", None),
        ("fffvvvvv", None),
        ("sfvsvf", (2, 4)),
    ],
)
def test_it_opens_when_enough_ended_and_the_share_of_failures_is_reached(
    outcomes: str, opened: tuple[int, int] | None
) -> None:
    bench = Bench()
    bench.outcomes(outcomes)
    if opened is None:
        assert (bench.state, bench.facts) == ("closed", [])
    else:
        assert bench.state == "open"
        assert bench.facts == [BreakerOpened(failures=opened[0], of=opened[1], seconds=15.0)]


@pytest.mark.parametrize(("share", "failures", "opens"), [(0.7, 7, True), (0.7, 6, False)])
def test_a_share_that_is_reached_exactly_opens(share: float, failures: int, *, opens: bool) -> None:
    bench = Bench(share=share, least=10)
    bench.outcomes("s" * (10 - failures) + "f" * failures)
    assert (bench.state == "open") is opens


def test_a_single_failure_can_be_enough() -> None:
    bench = Bench(least=1, share=1.0)
    bench.outcomes("f")
    assert bench.state == "open"


def test_what_is_older_than_the_window_does_not_count() -> None:
    bench = Bench()
    bench.outcomes("fff")
    bench.clock.now = 20.0
    bench.outcomes("fff")
    assert bench.state == "closed"
    bench.clock.now = 39.0
    bench.outcomes("f")
    assert bench.state == "open"


def test_while_open_nothing_goes_on_and_the_wait_is_what_is_left_of_the_pause() -> None:
    bench = Bench()
    bench.open()
    assert bench.breaker.admit() == 15.0
    bench.clock.now = 14.5
    assert bench.breaker.admit() == 0.5
    assert bench.state == "open"


def test_after_the_pause_one_at_a_time_goes_on() -> None:
    bench = Bench()
    bench.open()
    bench.clock.now = 15.0
    assert bench.state == "half_open"
    probe = bench.enter()
    assert [bench.breaker.admit() for _ in range(3)] == [PROBING] * 3
    bench.clock.now = 60.0
    assert bench.breaker.admit() == PROBING
    bench.breaker.void(probe)
    assert bench.state == "half_open"
    bench.enter()
    assert bench.breaker.admit() == PROBING


def test_a_probe_that_succeeds_closes_and_what_was_is_forgotten() -> None:
    bench = Bench()
    bench.open()
    bench.clock.now = 15.0
    bench.outcomes("s")
    assert bench.state == "closed"
    assert bench.facts[1:] == [BreakerClosed()]
    bench.outcomes("fff")
    assert bench.state == "closed"
    bench.outcomes("f")
    assert bench.state == "open"


def test_a_probe_that_fails_opens_again_for_the_same_pause() -> None:
    bench = Bench()
    bench.open()
    for number in range(1, 4):
        bench.clock.now = 20.0 * number
        bench.outcomes("f")
        assert bench.breaker.admit() == 15.0
    assert bench.facts[1:] == [OPENED_AGAIN] * 3


def test_what_was_admitted_before_the_opening_neither_closes_nor_prolongs_it() -> None:
    bench = Bench()
    late = [bench.enter() for _ in range(8)]
    bench.open()
    bench.clock.now = 10.0
    bench.breaker.succeeded(late[0])
    bench.breaker.failed(late[1])
    bench.breaker.void(late[2])
    assert (bench.state, bench.breaker.admit()) == ("open", 5.0)
    bench.clock.now = 15.0
    probe = bench.enter()
    bench.breaker.succeeded(late[3])
    bench.breaker.failed(late[4])
    bench.breaker.void(late[5])
    assert (bench.state, bench.breaker.admit()) == ("half_open", PROBING)
    bench.breaker.succeeded(probe)
    bench.outcomes("fff")
    bench.breaker.failed(late[6])  # of a time before all this: it is not the fourth
    assert bench.state == "closed"
    assert bench.facts[1:] == [BreakerClosed()]


def test_a_probe_that_was_given_up_is_no_verdict_when_it_ends_after_all() -> None:
    bench = Bench()
    bench.open()
    bench.clock.now = 15.0
    first = bench.enter()
    bench.breaker.void(first)
    bench.enter()
    bench.breaker.succeeded(first)
    assert bench.state == "half_open"


def test_its_repr_says_where_it_stands() -> None:
    bench = Bench()
    bench.outcomes("sff")
    assert repr(bench.breaker) == "<Breaker closed failures=2 of 3>"
    bench.outcomes("f")
    assert repr(bench.breaker) == "<Breaker open failures=0 of 0>"


@dataclass
class Model:
    """The same, slowly: every call is remembered, with when it was admitted and how it ended."""

    share: float
    least: int
    window: float
    pause: float
    now: float = 0.0
    opened: list[float] = field(default_factory=list)  # every opening
    closed: list[int] = field(default_factory=list)  # every closing, by calls admitted before it
    calls: list[dict[str, float | bool | str]] = field(default_factory=list)
    is_open: bool = False

    def admit(self) -> float | None:
        since = self.now - self.opened[-1] if self.is_open else 0.0
        if self.is_open and since < self.pause:
            return self.pause - since
        if self.is_open and any(call["probe"] and "ended" not in call for call in self.calls):
            return PROBING
        self.calls.append({"probe": self.is_open, "openings": len(self.opened)})
        return None

    def end(self, number: int, how: str) -> None:
        call = self.calls[number]
        call["ended"], call["how"] = self.now, how
        if call["probe"]:
            if how == "succeeded":
                self.is_open = False
                self.closed.append(len(self.calls))
            elif how == "failed":
                self.opened.append(self.now)
        elif not self.is_open and number >= (self.closed or [0])[-1]:
            self._judge()

    def _judge(self) -> None:
        counted = [
            call["how"]
            for call in self.calls[(self.closed or [0])[-1] :]
            if "ended" in call and self.now - float(call["ended"]) < self.window
        ]
        failures, successes = counted.count("failed"), counted.count("succeeded")
        ended = failures + successes
        if ended >= self.least and failures >= self.share * ended:
            self.is_open = True
            self.opened.append(self.now)


@dataclass(frozen=True)
class End:
    """One of the calls under way ends."""

    how: str
    which: int


@settings(max_examples=300)
@given(
    least=st.integers(1, 6),
    share=st.sampled_from([0.25, 0.5, 0.75, 1.0]),  # exact in binary, as the model's product is
    pause=st.sampled_from([0, 3, 15]),
    steps=st.lists(
        st.one_of(
            st.just("admit"),
            st.integers(0, 12),  # seconds that pass
            st.builds(
                End, st.sampled_from(["succeeded", "failed", "failed", "void"]), st.integers(0)
            ),
        ),
        max_size=80,
    ),
)
def test_it_does_what_a_slow_exact_model_does(
    least: int, share: float, pause: int, steps: list[str | int | End]
) -> None:
    bench = Bench(least=least, share=share, pause=pause)  # window 20: slots of a whole second
    model = Model(share, least, 20, pause)
    under_way: list[tuple[int, Admitted]] = []
    for step in steps:
        if isinstance(step, int):
            bench.clock.now += step
            model.now += step
        elif isinstance(step, End):
            if under_way:
                number, call = under_way.pop(step.which % len(under_way))
                model.end(number, step.how)
                getattr(bench.breaker, step.how)(call)
        else:
            wait = model.admit()
            admitted = bench.breaker.admit()
            if wait is None:
                assert isinstance(admitted, Admitted)
                under_way.append((len(model.calls) - 1, admitted))
            else:
                assert admitted == wait
        assert (bench.state == "closed") is not model.is_open
    opened = [fact for fact in bench.facts if isinstance(fact, BreakerOpened)]
    assert (len(opened), len(bench.facts)) == (
        len(model.opened),
        len(model.opened) + len(model.closed),
    )
