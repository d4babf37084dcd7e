import threading
from dataclasses import dataclass

from gateway.notices import BreakerClosed, LedgerFailed, ObserverFailed
from gateway.ops.watchers import Watchers


@dataclass
class Broken:
    """Fails at every fact, or at those of one kind."""

    kind: type | None = None

    def __call__(self, fact: object) -> None:
        if self.kind in {None, type(fact)}:
            raise LookupError("no")


FACT, OTHER = BreakerClosed(), LedgerFailed(op="read", reason="r")


def test_all_are_told_in_order() -> None:
    heard: list[tuple[str, object]] = []
    watchers = Watchers(
        lambda fact: heard.append(("a", fact)), lambda fact: heard.append(("b", fact))
    )
    watchers.add(lambda fact: heard.append(("c", fact)))
    watchers(FACT)
    assert heard == [("a", FACT), ("b", FACT), ("c", FACT)]
    assert repr(watchers) == "<Watchers 3>"


def test_one_that_fails_harms_nobody_and_is_reported_once_for_each_kind_of_fact() -> None:
    heard: list[object] = []
    broken = Broken(BreakerClosed)
    watchers = Watchers(broken, heard.append)
    for _ in range(3):
        watchers(FACT)
    watchers(OTHER)
    report = ObserverFailed(observer=repr(broken), event="BreakerClosed", error="LookupError")
    assert heard == [report, FACT, FACT, FACT, OTHER]


def test_that_all_are_broken_is_nobodys_trouble() -> None:
    watchers = Watchers(Broken(), Broken())
    watchers(FACT)
    watchers(ObserverFailed(observer="x", event="y", error="z"))


def test_they_are_told_from_any_thread() -> None:
    heard: list[object] = []
    watchers = Watchers(Broken(), heard.append)
    threads = [threading.Thread(target=watchers, args=(FACT,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [fact for fact in heard if fact == FACT] == [FACT] * 8
    assert 1 <= len([fact for fact in heard if isinstance(fact, ObserverFailed)]) <= 8
