"""How cases of the limits are drawn: small limits, so that they bite; times near their edges."""

from hypothesis import strategies as st

from gateway.config.sections import Limits
from tests.state.limits_cases import Case
from tests.state.limits_deeds import (
    FATES,
    Again,
    Deed,
    End,
    Fate,
    Happen,
    Jump,
    Pass,
    Plain,
    Reload,
    Wish,
)
from tests.state.slow_model import NANO

_MIDNIGHTS = (1_792_972_800, 1_793_404_800, 1_793_491_200, 1_798_675_200, 1_835_395_200)
_KEY = st.sampled_from((0, 0, 0, 0, 1, 1, 2))
_SOME = st.integers(0, 7)
_MINUTE = 60 * NANO


def _perhaps(strategy: st.SearchStrategy[int]) -> st.SearchStrategy[int | None]:
    return st.one_of(st.none(), strategy)


_RATE = st.one_of(st.integers(1, 12), st.sampled_from((7, 59, 60, 61, 600, 1_000_000)))
LIMITS = st.builds(
    Limits,
    requests_per_minute=_perhaps(_RATE),
    requests_burst=_perhaps(st.integers(1, 5)),
    images_per_minute=_perhaps(_RATE),
    images_burst=_perhaps(st.integers(1, 12)),
    concurrent=_perhaps(st.integers(1, 20)),
    images_per_day=_perhaps(st.integers(1, 60)),
    cost_per_day=_perhaps(st.integers(0, 900).map(lambda cents: cents * 10_000)),
    cost_per_month=_perhaps(st.integers(0, 2_000).map(lambda cents: cents * 10_000)),
)
_TASK = st.tuples(st.integers(1, 4), st.sampled_from((0, 1, 40_000, 333_333, 900_000)))
_TASKS = st.sampled_from((1, 1, 1, 2, 4)).flatmap(lambda number: st.tuples(*[_TASK] * number))
_PASSES = st.one_of(
    st.sampled_from((0, 1, NANO, 10 * NANO, _MINUTE, 60 * _MINUTE + NANO, 1_440 * _MINUTE)),
    st.integers(0, NANO),
    st.integers(0, _MINUTE),
    st.integers(0, 90 * _MINUTE),
    st.integers(0, 3 * 1_440 * _MINUTE),
)
_WISH = st.builds(Wish, _KEY, _TASKS, st.booleans(), st.integers(0, 7).map(lambda one: one == 0))
_HAPPEN = st.builds(
    Happen,
    _SOME,
    st.sampled_from((1, 4, 8)).flatmap(lambda number: st.tuples(*[_SOME] * number)),
    _perhaps(st.integers(0, 2_000_000)),
)
_FATE = st.builds(Fate, _SOME, st.integers(0, len(FATES) - 1), _perhaps(st.integers(0, 2_000_000)))
_PASS = st.builds(Pass, _PASSES)
_END = st.builds(End, _SOME)
_RARE = st.one_of(
    st.builds(Plain, _KEY, st.booleans()),
    st.builds(Again, _SOME),
    st.builds(Reload, _KEY, LIMITS),
    st.builds(Jump, st.sampled_from((-86_400, -3_600, 3_600, 86_400))),
)
_DEED: st.SearchStrategy[Deed] = st.integers(0, 11).flatmap(
    (
        _WISH,
        _WISH,
        _WISH,
        _WISH,
        _HAPPEN,
        _FATE,
        _FATE,
        _PASS,
        _PASS,
        _END,
        _RARE,
        _RARE,
    ).__getitem__
)
DEEDS: st.SearchStrategy[list[Deed]] = st.integers(1, 40).flatmap(
    lambda number: st.lists(_DEED, min_size=number, max_size=number)
)


@st.composite
def _epochs(draw: st.DrawFn) -> int:
    before = st.one_of(st.integers(1, 120), st.integers(1, 7_200), st.integers(-3_000, -1))
    return draw(st.sampled_from(_MIDNIGHTS)) - draw(before)


CASES = st.tuples(_epochs(), st.tuples(LIMITS, LIMITS, LIMITS), DEEDS)


def played(case: tuple[int, tuple[Limits, ...], list[Deed]]) -> Case:
    """Play a case that was drawn."""
    epoch, limits, deeds = case
    return Case(epoch, limits).play(deeds)
