from typing import Any

import pytest

from gateway.simulator.settings import Settings
from tests.simulator.house import House
from tests.simulator.house import house as opened


def test_settings_change_together_or_not_at_all() -> None:
    first = Settings()
    changed = first.changed({"speed": 10, "vocabulary": "live", "billing": False})
    assert (changed.speed, changed.vocabulary, changed.billing) == (10, "live", False)
    assert first == Settings()
    assert first.changed({}) == first


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ([], "an object"),
        ({"sped": 1}, "no setting 'sped'"),
        ({"speed": "fast"}, "speed is a float"),
        ({"speed": 0}, "speed is between"),
        ({"speed": True}, "speed is a float"),
        ({"max_n": 2.0}, "max_n is a int"),
        ({"max_n": 11}, "max_n is between 1 and 10"),
        ({"billing": 1}, "billing is a bool"),
        ({"vocabulary": "latin"}, "vocabulary is one of documented, live"),
    ],
)
def test_a_wrong_change_says_what_is_wrong(changes: Any, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Settings().changed(changes)


async def test_settings_are_told_and_changed_at_the_control_endpoint(house: House) -> None:
    assert (await house.control("settings"))["vocabulary"] == "documented"
    told = await house.control("settings", {"vocabulary": "live"})
    assert told["vocabulary"] == "live"
    assert told["max_n"] == 10
    assert (await house.create()).json()["status"] == "pending"
    wrong = await house.client.post("/control/settings", json={"vocabulary": "?"})
    assert wrong.status_code == 400
    assert "documented" in wrong.json()["error"]["message"]


async def test_the_sections_speed_is_the_settings_speed() -> None:
    async with opened(speed=50) as house:
        assert (await house.control("settings"))["speed"] == 50


async def test_a_created_status_may_be_another_2xx() -> None:
    async with opened(Settings(creation_status=202)) as house:
        assert (await house.create()).status_code == 202
