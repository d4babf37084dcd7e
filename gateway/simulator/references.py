"""Pictures an order names by address: found, measured, refused as the vendor would.

Owns: which addresses are the vendor's own files, which are foreign, and the rules for masks. Must
not know: drawing. There is no internet here: a public foreign address stands for itself (drawn as
a placeholder of 768x768, or, as a mask, as an ellipse), or is refused, as the setting says.
"""

import asyncio
import ipaddress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from gateway.simulator.envelopes import REFUSALS, Refused, invalid
from gateway.simulator.files import Files
from gateway.simulator.orders import Order
from gateway.simulator.pictures import Measured, NotAPicture, measure

_PLACEHOLDER = (768, 768)


@dataclass(frozen=True, slots=True)
class Source:
    """A picture to work from: a file of ours, or a foreign address. ``size`` is in pixels."""

    path: Path | None
    url: str
    size: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Sources:
    """Everything an edit works from."""

    references: tuple[Source, ...] = ()
    mask: Source | None = None


async def gather(order: Order, files: Files, base: str, foreign: str) -> Sources:
    """Find what the order names. Raises ``Refused`` as the vendor does for what it cannot use.

    ``base`` is the address these links were handed out under, ``foreign`` the setting.
    """
    references = [await _find(url, files, base, foreign) for url in order.image_urls]
    if order.mask_url is None:
        return Sources(tuple(source for source, _ in references))
    mask, measured = await _find(order.mask_url, files, base, foreign)
    if measured is not None:
        first, known = references[0]
        _check_mask(measured, first.size if known is not None else None)
    return Sources(tuple(source for source, _ in references), mask)


async def _find(url: str, files: Files, base: str, foreign: str) -> tuple[Source, Measured | None]:
    name = _own_name(url, base)
    if name is None:
        if foreign == "refuse" or not _public(url):
            raise Refused(REFUSALS["invalid_image_url"])
        return Source(None, url, _PLACEHOLDER), None
    kept = files.find(name)
    if kept is None:
        raise Refused(REFUSALS["invalid_image_url"])
    try:
        measured = await asyncio.to_thread(_measured, kept.path)
    except (OSError, NotAPicture):
        raise Refused(REFUSALS["invalid_image_url"]) from None
    return Source(kept.path, url, (measured.width, measured.height)), measured


def _measured(path: Path) -> Measured:
    return measure(path.read_bytes())


def _own_name(url: str, base: str) -> str | None:
    try:
        parts, own = urlsplit(url), urlsplit(base)
    except ValueError:
        return None
    if parts.netloc != own.netloc or not parts.path.startswith("/files/"):
        return None
    return unquote(parts.path.removeprefix("/files/"))


def _public(url: str) -> bool:
    """Whether the vendor could reach the address: a public name, or a public number."""
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return False
    try:
        return ipaddress.ip_address(host).is_global
    except ValueError:
        return "." in host and not host.endswith((".local", ".internal", ".localhost"))


def _check_mask(mask: Measured, first: tuple[int, int] | None) -> None:
    if mask.mime != "image/png" or not mask.alpha:
        raise Refused(invalid("The mask must be a PNG with an alpha channel.", "mask_url"))
    if first is not None and (mask.width, mask.height) != first:
        message = "The mask must match the dimensions of the first reference image."
        raise Refused(invalid(message, "mask_url"))
