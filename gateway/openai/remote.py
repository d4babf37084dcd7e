"""Pictures that callers name by a link.

Owns: the caller's words for a link that may not be followed or gave nothing. Must not know: what
the picture is for. The rule itself is ``web/policy.py``; the vendor's own host is not exempt here.
"""

from gateway.errors import InvalidRequest
from gateway.upstream.download import Downloads, LinkDead
from gateway.web.policy import AddressRefused, Policy


class RemotePictures:
    """Judges links, and fetches those that must be looked at."""

    def __init__(self, policy: Policy, downloads: Downloads) -> None:
        self._policy = policy
        self._downloads = downloads

    def check(self, url: str) -> None:
        """Whether the vendor may be given this link. Raises: InvalidRequest, without ``param``."""
        try:
            self._policy.check(url)
        except AddressRefused as refusal:
            message = f"Invalid image_url: {refusal}. Send a public https URL or a data URL."
            raise InvalidRequest(message, code="invalid_value") from refusal

    async def fetch(self, url: str, path: str) -> None:
        """Fetch into ``path``. Raises: InvalidRequest, without ``param``."""
        try:
            await self._downloads.fetch(url, path)
        except LinkDead as dead:
            message = f"Error while downloading file: {dead.reason}."
            raise InvalidRequest(message, code="invalid_value") from dead
