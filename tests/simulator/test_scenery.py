import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.simulator.scenery import PALETTES, between, scene


def test_equal_seeds_give_equal_scenes() -> None:
    assert scene("a") == scene("a")
    assert len({str(scene(str(number))) for number in range(50)}) == 50


@given(st.text())
def test_every_scene_spans_the_picture_from_far_to_near(seed: str) -> None:
    made = scene(seed)
    assert 4 <= len(made.layers) <= 6
    for layer in made.layers:
        assert layer.ridge[0][0] == 0
        assert layer.ridge[-1][0] == pytest.approx(1, abs=0.02)
        assert all(0 < y < 1 for _, y in layer.ridge)
    assert all(0 <= x <= 1 and 0 <= y <= 1 for x, y in made.stars)
    assert bool(made.stars) != bool(made.clouds)


def test_many_seeds_meet_every_palette() -> None:
    assert {scene(str(number)).sky for number in range(200)} == {item.sky for item in PALETTES}


def test_colours_mix_evenly() -> None:
    assert between((0, 0, 0), (100, 200, 50), 0.5) == (50, 100, 25)
    assert between((1, 2, 3), (9, 9, 9), 0) == (1, 2, 3)
