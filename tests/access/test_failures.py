import pytest

from gateway.access.failures import Failures, counted_as
from tests.clocks import FakeClock

HERE = "192.0.2.1"


def test_so_many_wrong_keys_are_heard_at_once_and_then_one_at_a_time() -> None:
    clock = FakeClock()
    failures = Failures(30, clock)

    for _ in range(30):
        assert failures.wait(HERE) == 0
        failures.count(HERE)

    assert failures.wait(HERE) == pytest.approx(2.0)
    clock.now += 1.999
    assert failures.wait(HERE) > 0
    clock.now += 0.002
    assert failures.wait(HERE) == 0
    failures.count(HERE)
    assert failures.wait(HERE) > 0


def test_after_a_minute_all_are_forgotten() -> None:
    clock = FakeClock()
    failures = Failures(2, clock)
    for _ in range(2):
        failures.count(HERE)
    clock.now += 60.001

    failures.count(HERE)
    assert failures.wait(HERE) == 0


def test_one_address_does_not_pay_for_another() -> None:
    failures = Failures(1, FakeClock())
    failures.count(HERE)

    assert failures.wait(HERE) > 0
    assert failures.wait("192.0.2.2") == 0


def test_asking_costs_nothing_and_is_not_remembered() -> None:
    failures = Failures(1, FakeClock())
    for _ in range(100):
        assert failures.wait(HERE) == 0
    assert len(failures) == 0


def test_without_a_limit_nothing_is_counted() -> None:
    failures = Failures(None, FakeClock())
    for _ in range(1000):
        failures.count(HERE)

    assert failures.wait(HERE) == 0
    assert len(failures) == 0


def test_only_so_many_addresses_are_remembered_the_latest_ones() -> None:
    failures = Failures(1, FakeClock(), most=3)
    for last in range(1, 5):
        failures.count(f"192.0.2.{last}")

    assert len(failures) == 3
    assert failures.wait("192.0.2.1") == 0
    assert failures.wait("192.0.2.4") > 0


def test_ten_thousand_addresses_are_remembered() -> None:
    failures = Failures(1, FakeClock())
    for number in range(10_100):
        failures.count(f"10.0.{number >> 8}.{number & 255}")

    assert len(failures) == 10_000


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::", "2001:db8:1:3::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("unix", ""),
    ],
)
def test_an_address_is_counted_as_the_subscriber_behind_it(address: str, counted: str) -> None:
    assert counted_as(address) == counted
