"""Secrets that are planted wherever tests run a gateway, and the search for them afterwards.

Owns: the planted words, and finding any of them in what was produced, as it is or encoded. Must not
know: who produces what. They share one rare mark, so that one look finds all of them.
"""

import base64
import mmap
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

MARK = "zqcanary4e7b"

VENDOR_KEY = f"vendor-{MARK}-key-31415926"
CLIENT_KEY = f"client-{MARK}-key-27182818"
VENDOR_WEBHOOK_SECRET = f"vendor-webhook-{MARK}-secret-15707963"
OPERATORS_TOKEN = f"operators-{MARK}-token-16180339"
IDEMPOTENCY_KEY = f"order-{MARK}-14142135"
WEBHOOK_SECRET = f"whsec_sign{MARK}1618033988749894"  # base64: its mark is seen as it is
WEBHOOK_PATH = f"/told?token={MARK}-26457513"
LEDGER_URL = f"postgresql://gateway:{MARK}-17320508@database.invalid/ledger"
PROMPT = f"a {MARK} in a lighthouse"

PLANTED: Mapping[str, str] = {
    "the vendor's key": VENDOR_KEY,
    "a client's key": CLIENT_KEY,
    "the secret of the vendor's webhooks": VENDOR_WEBHOOK_SECRET,
    "the operators' token": OPERATORS_TOKEN,
    "an Idempotency-Key": IDEMPOTENCY_KEY,
    "a secret that signs webhooks": WEBHOOK_SECRET,
    "a webhook's path": WEBHOOK_PATH,
    "the ledger's address with its password": LEDGER_URL,
    "a prompt": PROMPT,
}

_AROUND = 60  # bytes of what is told of a place


@dataclass(frozen=True, slots=True)
class Hit:
    """A planted word where it should not be."""

    place: str
    form: str
    around: str

    def __str__(self) -> str:
        return f"{self.place}: {self.form} in {self.around!r}"


def _forms() -> Mapping[str, bytes]:
    """The mark, and what is left of it in the ways something may be encoded."""
    mark = MARK.encode()
    forms = {"as it is": mark, "in hex": mark.hex().encode(), "backwards": mark[::-1]}
    for before in range(3):
        # In base64 its look depends on where it begins; what its neighbours blur is cut off.
        encoded = base64.b64encode(b"\0" * before + mark)
        least = -(-before * 4 // 3)
        forms[f"in base64, {before}"] = encoded.rstrip(b"=")[least + bool(before) : -2]
    return forms


FORMS = _forms()


def hits(place: str, data: bytes | mmap.mmap) -> Iterator[Hit]:
    """Where a planted word stands, once for each form."""
    for form, needle in FORMS.items():
        at = data.find(needle)
        if at >= 0:
            around = bytes(data[max(0, at - _AROUND) : at + len(needle) + _AROUND])
            yield Hit(place, form, around.decode("utf-8", "backslashreplace"))


def search(files: Iterable[Path]) -> tuple[int, list[Hit]]:
    """How many bytes these files have, and what is found in them."""
    size, found = 0, list[Hit]()
    for path in files:
        with path.open("rb") as file:
            length = path.stat().st_size
            if length:
                size += length
                with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                    found += hits(str(path), data)
    return size, found
