from pathlib import Path

import pytest

from tests.repo.oldest import possessive_groups
from tests.repo.source import gateway_modules, read


def test_no_pattern_has_a_group_that_python_3_11_2_gets_wrong() -> None:
    assert list(possessive_groups(gateway_modules())) == []


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        (r"""rb'(?:[^"\\]++|\\.)*+'""", 1),
        (r"""rb"(?:a|bc){0,%d}+" """, 1),
        (r"""r"(?:a|bc){2,3}+x" """, 1),
        (r"""r"(?>a|bc)x" """, 1),
        (r"""r"(?:a|bc)++" """, 1),
        (r"""r"[^a]++b" """, 0),  # single characters were always right
        (r"""r"(?:a|bc)+(d)*" """, 0),
        ("'it has (some)+more'", 0),
    ],
)
def test_a_possessive_group_is_noticed(tmp_path: Path, pattern: str, found: int) -> None:
    path = tmp_path / "sample.py"
    path.write_text(f"PATTERN = {pattern}\n")
    assert len(list(possessive_groups([read(path, tmp_path)]))) == found
