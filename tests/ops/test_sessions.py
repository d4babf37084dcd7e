"""Sessions: bounded in number and time, and not to be had from memory."""

from gateway.ops.sessions import LIFETIME, Sessions
from tests.clocks import FakeClock


def test_a_session_is_found_by_its_id_alone() -> None:
    sessions = Sessions(FakeClock())
    session_id, session = sessions.begin()
    assert sessions.find(session_id) is session
    assert sessions.find("") is None
    assert sessions.find(session.name) is None
    assert session_id not in repr(vars(sessions))


def test_two_sessions_have_nothing_in_common() -> None:
    sessions = Sessions(FakeClock())
    (one_id, one), (other_id, other) = sessions.begin(), sessions.begin()
    assert len({one_id, other_id, one.csrf, other.csrf, one.name, other.name}) == 6
    assert min(map(len, (one_id, one.csrf))) >= 40


async def test_a_session_ends_by_itself() -> None:
    clock = FakeClock()
    sessions = Sessions(clock)
    session_id, _ = sessions.begin()
    await clock.advance(LIFETIME - 1)
    assert sessions.find(session_id) is not None
    await clock.advance(1)
    assert sessions.find(session_id) is None
    sessions.begin()
    assert len(sessions) == 1


def test_an_ended_session_is_gone() -> None:
    sessions = Sessions(FakeClock())
    session_id, _ = sessions.begin()
    sessions.end(session_id)
    sessions.end(session_id)
    assert sessions.find(session_id) is None


def test_one_too_many_ends_the_oldest() -> None:
    sessions = Sessions(FakeClock(), most=3)
    ids = [sessions.begin()[0] for _ in range(4)]
    assert [sessions.find(one) is not None for one in ids] == [False, True, True, True]
    assert repr(sessions) == "<Sessions open=3>"
