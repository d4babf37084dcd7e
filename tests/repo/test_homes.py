from tests.repo.homes import CORE, HOMES, noises, strangers
from tests.repo.source import PACKAGE, gateway_modules


def test_each_library_is_imported_only_in_its_home() -> None:
    assert list(strangers(gateway_modules(), HOMES)) == []


def test_the_quiet_core_sees_the_standard_library_and_little_else() -> None:
    assert list(noises(gateway_modules(), CORE)) == []


def test_the_tables_name_only_rooms_of_this_house() -> None:
    rooms = {path.stem for path in PACKAGE.iterdir()}
    named = {place.split(".")[1] for places in HOMES.values() for place in places}
    named |= {place.split(".")[1] for place in CORE}
    assert named <= rooms
