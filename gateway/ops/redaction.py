"""What may not stand in a log line, and what takes its place.

Owns: the names whose values are never shown, and the looks of keys, tokens and pictures inside
text. Works on plain values, last before rendering. Must not know: events, structlog, the writer.
"""

import functools
import re
from collections.abc import Iterable, Mapping

MASK = "***"

_NAMES = frozenset({"authorization", "cookie", "key", "token", "prompt", "b64", "b64_json"})
_ENDINGS = ("api_key", "secret", "password", "_token", "_prompt", "_b64")
_KEY = re.compile(r"(?<![A-Za-z0-9])sk-[A-Za-z0-9_-]{3,}")  # not the end of "task-…" or "disk-…"
_BEARER = re.compile(r"\b(bearer)\s+[^\s\"',;]+", re.IGNORECASE)
_RUN = 200  # characters: no word, path or id is so long
_BASE64 = re.compile(rf"[A-Za-z0-9+/_-]{{{_RUN},}}={{0,2}}")
_LONGEST = 16_384  # characters of one value; a traceback is rarely longer
_SHORTEST_SECRET = 6  # a shorter one would mask ordinary words


@functools.lru_cache(maxsize=1024)
def _is_telling(name: str) -> bool:
    plain = name.lower().replace("-", "_")
    return plain in _NAMES or plain.endswith(_ENDINGS)


class Redaction:
    """Masks values by name and by look; ``secrets`` are masked wherever they occur."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._secrets: frozenset[str] = frozenset()
        self._known: re.Pattern[str] | None = None
        self.add(secrets)

    def add(self, secrets: Iterable[str]) -> None:
        """Mask these too. One thread may add while others mask."""
        both = self._secrets | {one for one in secrets if len(one) >= _SHORTEST_SECRET}
        if both != self._secrets:
            # The longest first: one may begin with another.
            known = sorted(both, key=len, reverse=True)
            self._known = re.compile("|".join(map(re.escape, known)))
            self._secrets = both

    def value(self, name: str, value: object) -> object:
        """Return what may be shown of ``value`` under ``name``; containers are looked into."""
        if _is_telling(name):
            return MASK
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self.text(str(key)): self.value(str(key), one) for key, one in value.items()}
        if isinstance(value, list | tuple):
            return [self.value("", one) for one in value]
        return value

    def text(self, text: str) -> str:
        """Mask what looks like a key, a bearer token, a picture or one of the known secrets."""
        if self._known is not None:
            text = self._known.sub(MASK, text)
        if "sk-" in text:  # a look is ten times cheaper than a search, and nearly all are clean
            text = _KEY.sub(f"sk-{MASK}", text)
        if "bearer" in text.lower():
            text = _BEARER.sub(rf"\1 {MASK}", text)
        if len(text) < _RUN:
            return text
        text = _BASE64.sub(lambda match: f"<{len(match[0])} characters of base64>", text)
        if len(text) > _LONGEST:
            text = f"{text[:_LONGEST]}… <{len(text)} characters>"
        return text

    def __repr__(self) -> str:
        return "Redaction()"
