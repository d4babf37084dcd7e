"""The console's own files: style, script, icon, and a font that lies elsewhere.

Owns: reading them once, and how long a browser may keep one. Must not know: what is in them. Each
is asked for with the digest of its content behind it, so it is kept for ever and never out of date;
one that is asked for without (the font, by the style) is kept as well, and asked after.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

FOLDER = Path(__file__).with_name("static")
_FOR_EVER = "public, max-age=31536000, immutable"
_TYPES: Mapping[str, str] = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".woff2": "font/woff2",
}
# Whatever a file holds, a page of another site has no use for it, and it is of its own type.
_HEADERS: Mapping[str, str] = {
    "x-content-type-options": "nosniff",
    "cross-origin-resource-policy": "same-origin",
    "content-security-policy": "default-src 'none'; sandbox",
}


@dataclass(frozen=True, slots=True)
class Asset:
    """One file in memory."""

    content: bytes
    media_type: str
    digest: str


class Assets:
    """Files by name: those of our folder that a browser loads, and ``others`` by their paths."""

    def __init__(self, others: Mapping[str, Path] | None = None) -> None:
        own = {path.name: path for path in FOLDER.iterdir() if path.suffix in _TYPES}
        self._assets = {name: _read(path) for name, path in {**own, **(others or {})}.items()}
        all_of_them = "".join(
            f"{name} {one.digest}\n" for name, one in sorted(self._assets.items())
        )
        self.digest = hashlib.sha256(all_of_them.encode()).hexdigest()[:16]

    def __repr__(self) -> str:
        return f"Assets({', '.join(self._assets)})"

    def url(self, name: str) -> str:
        """Where a file is, from a page at the root."""
        return f"static/{name}?v={self._assets[name].digest}"

    async def serve(self, request: Request) -> Response:
        """``GET /static/{file}``: needs no token, for it tells nothing of this gateway."""
        asset = self._assets.get(request.path_params["file"])
        if asset is None:
            return PlainTextResponse("no such file", HTTPStatus.NOT_FOUND, headers=dict(_HEADERS))
        asked, tag = request.query_params.get("v"), f'"{asset.digest}"'
        kept = _FOR_EVER if asked == asset.digest else "no-cache"
        headers = {**_HEADERS, "cache-control": kept, "etag": tag}
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
        return Response(asset.content, headers=headers, media_type=asset.media_type)


def _read(path: Path) -> Asset:
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()[:16]
    return Asset(content, _TYPES[path.suffix], digest)
