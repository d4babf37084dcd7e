"""What the oldest Python we promise to run on gets wrong, though it has the words for it.

Debian 12 ships 3.11.2. Until 3.11.4 its ``re`` goes wrong over possessive and atomic groups
(CPython gh-106052): bytes vanish from matches. A newer 3.11 on a developer's machine hides it.
"""

import ast
import re
from collections.abc import Iterable, Iterator

from tests.repo.source import Module

POSSESSIVE = re.compile(r"(?:(?<!\()\)[*+?]|\)\{\d*(?:%d|,\d*)+\})\+|\(\?>")


def possessive_groups(modules: Iterable[Module]) -> Iterator[str]:
    """Texts that look like a pattern with a possessive or atomic group."""
    for module in modules:
        for node in ast.walk(module.tree):
            if not isinstance(node, ast.Constant):
                continue
            text = node.value.decode("latin-1") if isinstance(node.value, bytes) else node.value
            if isinstance(text, str) and POSSESSIVE.search(text):
                yield f"{module.name}:{node.lineno}: a possessive group"
