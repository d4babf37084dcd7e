"""Each checker of the house is shown a small source that breaks its rule, and one that does not."""

from pathlib import Path

import pytest

from tests.repo import borders, homes, ruler
from tests.repo.source import Module, imports, read


@pytest.fixture
def place(tmp_path: Path) -> "Place":
    return Place(tmp_path)


class Place:
    """Where sample modules are written and read back as the checkers see them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def module(self, name: str, text: str) -> Module:
        path = self._folder.joinpath(*name.split(".")).with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return read(path, self._folder)


def test_imports_are_read_wherever_they_stand(place: Place) -> None:
    module = place.module(
        "gateway.jobs.sample",
        "import a.b\nfrom . import near\nfrom .near import thing\nfrom ..errors import Bad\n"
        "def late():\n    from c import d, e\n",
    )
    assert [target for found in imports(module) for target in found.targets()] == [
        "a.b",
        "gateway.jobs.near",
        "gateway.jobs.near.thing",
        "gateway.errors.Bad",
        "c.d",
        "c.e",
    ]


@pytest.mark.parametrize(
    ("name", "text", "fault"),
    [
        ("gateway.jobs.sample", "import httpx", "httpx belongs in gateway.web"),
        ("gateway.web_more", "import httpx", "httpx belongs in gateway.web"),
        ("gateway.ops.health", "import structlog", "structlog belongs in gateway.ops.logs"),
        ("gateway.jobs.sample", "from requests import get", "requests has no home"),
        ("gateway.jobs.sample", "import sqlite3", "sqlite3 belongs in gateway.state"),
        ("gateway.jobs.sample", "def f():\n    import PIL.Image", "PIL belongs in"),
    ],
)
def test_a_library_out_of_its_home_is_found(place: Place, name: str, text: str, fault: str) -> None:
    (found,) = homes.strangers([place.module(name, text)], homes.HOMES)
    assert fault in found


def test_a_library_at_home_passes(place: Place) -> None:
    module = place.module("gateway.web.sample", "import json\nimport httpx\nfrom gateway import x")
    assert list(homes.strangers([module], homes.HOMES)) == []


@pytest.mark.parametrize(
    ("name", "text", "fault"),
    [
        ("gateway.translate.sample", "import pydantic", "pydantic"),
        ("gateway.translate.sample", "from gateway.config import sections", "gateway.config.s"),
        ("gateway.events", "from gateway.clock import Clock", "gateway.clock.Clock"),
        ("gateway.jobs.machine", "from gateway.jobs import runner", "gateway.jobs.runner"),
        ("gateway.jobs.schedule", "from .runner import run", "gateway.jobs.runner.run"),
    ],
)
def test_noise_in_the_quiet_core_is_found(place: Place, name: str, text: str, fault: str) -> None:
    (found,) = homes.noises([place.module(name, text)], homes.CORE)
    assert fault in found


def test_a_quiet_core_passes(place: Place) -> None:
    text = "import math\nfrom gateway.errors import InvalidRequest\nfrom .model import Plan\n"
    assert list(homes.noises([place.module("gateway.translate.sample", text)], homes.CORE)) == []
    loud = place.module("gateway.jobs.runner", "import httpx")
    assert list(homes.noises([loud], homes.CORE)) == []


def test_a_file_over_the_ruler_is_found(place: Place) -> None:
    short = place.module("gateway.short", "x = 1\n" * ruler.FILE_REFUSED)
    long = place.module("gateway.long", "x = 1\n" * (ruler.FILE_REFUSED + 1))
    assert list(ruler.long_files([short, long])) == ["gateway.long has 401 lines (at most 400)"]


def test_a_function_over_the_ruler_is_found_wherever_it_hides(place: Place) -> None:
    body = "            x = 1\n" * (ruler.FUNCTION_REFUSED - 1)
    module = place.module(
        "gateway.sample",
        f"class A:\n    if True:\n        def fits(self):\n{body}"
        f"        async def grows(self):\n{body}            x = 2\n",
    )
    assert list(ruler.long_functions([module])) == [
        "gateway.sample:A.grows has 61 lines (at most 60)"
    ]


@pytest.mark.parametrize(
    ("signature", "count"),
    [
        ("a, b, c, d, e, f, g, h", 0),
        ("a, b, c, d, e, f, g, h, i", 9),
        ("self, a, b, c, d, e, f, g, h", 0),
        ("a, b, /, c, d, *e, f, g, h, **i", 9),
    ],
)
def test_a_function_with_too_many_parameters_is_found(
    place: Place, signature: str, count: int
) -> None:
    module = place.module("gateway.sample", f"def wide({signature}): ...\n")
    found = list(ruler.wide_functions([module]))
    assert found == ([f"gateway.sample:wide takes {count} parameters (at most 8)"] if count else [])


def test_a_package_in_a_package_is_found(place: Place) -> None:
    fine = [place.module("gateway.jobs.runner", ""), place.module("gateway.jobs.__init__", "")]
    assert list(ruler.deep_packages(fine)) == []
    deep = [
        place.module("gateway.jobs.more.runner", ""),
        place.module("gateway.jobs.more.__init__", ""),
    ]
    assert len(list(ruler.deep_packages(deep))) == len(deep)


@pytest.mark.parametrize(
    "name",
    ["utils", "helpers", "common", "misc", "manager", "http_utils", "_helper", "job_manager"],
)
def test_a_name_for_everything_is_found(name: str) -> None:
    assert len(list(ruler.catch_all_names([Path(f"gateway/{name}.py")]))) == 1


def test_a_name_that_says_something_passes() -> None:
    assert (
        list(ruler.catch_all_names([Path("gateway/uncommon.py"), Path("gateway/sizes.py")])) == []
    )


def test_a_global_statement_is_found(place: Place) -> None:
    module = place.module("gateway.sample", "def f():\n    global x, y\n    x = y = 1\n")
    assert list(ruler.global_statements([module])) == ["gateway.sample:2: global x, y"]


@pytest.mark.parametrize(
    "text",
    [
        "    try: g()\n    except: pass\n",
        "    try: g()\n    except Exception: pass\n",
        "    try: g()\n    except (ValueError, BaseException) as error: print(error)\n",
        "    try: g()\n    except builtins.Exception: raise ValueError from None\n",
        "    try: g()\n    except* Exception: pass\n",
        "    with suppress(Exception): g()\n",
        "    with contextlib.suppress(OSError, Exception): g()\n",
    ],
)
def test_catching_everything_without_a_reason_is_found(place: Place, text: str) -> None:
    module = place.module("gateway.sample", f"class A:\n  def f(self):\n{text}")
    (found,) = ruler.unexplained([module], {})
    assert "gateway.sample:A.f (line " in found
    assert list(ruler.unexplained([module], {"gateway.sample:A.f": "a loop that goes on"})) == []
    assert len(list(ruler.unexplained([module], {"gateway.sample:A.f": " "}))) == 1


@pytest.mark.parametrize(
    "text",
    [
        "try: g()\nexcept ValueError: pass\n",
        "try: g()\nexcept BaseException:\n    tidy()\n    raise\n",
        "with suppress(OSError): g()\n",
    ],
)
def test_catching_what_is_known_or_passing_it_on_needs_no_reason(place: Place, text: str) -> None:
    assert list(ruler.unexplained([place.module("gateway.sample", text)], {})) == []


def test_a_reason_that_explains_nothing_is_found(place: Place) -> None:
    module = place.module("gateway.sample", "try: g()\nexcept Exception: pass\n")
    reasons = {"gateway.sample:": "the outermost border", "gateway.sample:gone": "no more"}
    assert list(ruler.unexplained([module], reasons)) == [
        "gateway.sample:gone is listed and catches nothing"
    ]


@pytest.mark.parametrize(
    "text",
    [
        "from gateway.config.sections import Config\n",
        "from gateway.config import Config as Everything\n",
        "from gateway.config.sections import *\n",
        "from gateway.config import sections\ndef f(c: sections.Config): ...\n",
    ],
)
def test_a_part_that_sees_the_whole_configuration_is_found(place: Place, text: str) -> None:
    assert len(list(borders.sees_everything([place.module("gateway.jobs.sample", text)]))) == 1
    assert list(borders.sees_everything([place.module("gateway.app", text)])) == []


def test_a_part_that_sees_its_section_passes(place: Place) -> None:
    module = place.module("gateway.web.sample", "from gateway.config.sections import Upstream\n")
    assert list(borders.sees_everything([module])) == []


@pytest.mark.parametrize(
    "text",
    [
        "import os\nos.environ['A']\n",
        "import os\nos.getenv('A')\n",
        "from os import environ\n",
        "from os import path, getenv as g\n",
    ],
)
def test_a_look_at_the_environment_is_found(place: Place, text: str) -> None:
    assert len(list(borders.reads_environment([place.module("gateway.server", text)]))) == 1
    at_home = place.module("gateway.config.loader", text)
    assert list(borders.reads_environment([at_home])) == []
