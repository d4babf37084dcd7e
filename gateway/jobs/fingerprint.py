"""What makes two requests the same: a keyed hash over everything that was asked for.

Owns: which parts of a request count. Pictures count by their content, neither by name nor by how
the body was put together; the key is the ledger's own secret, so that a stolen ledger does not
tell who asked for what. Must not know: keys, jobs.
"""

import hmac
import json

from gateway.translate.model import ImageRequest, Picture, Reference


def fingerprint(secret: bytes, key_name: str, request: ImageRequest) -> bytes:
    """32 bytes that are equal for equal requests under one key's name."""
    asked = [
        key_name,
        request.kind,
        request.prompt,
        request.requested_model,
        request.n,
        request.size,
        request.resolution,
        request.quality,
        request.background,
        request.output_format,
        request.output_compression,
        request.response_format,
        request.safety_identifier,
        [_content(one) for one in request.references],
        _content(request.mask) if request.mask is not None else None,
    ]
    return hmac.digest(secret, json.dumps(asked).encode(), "sha256")


def _content(reference: Reference) -> list[str]:
    if isinstance(reference, Picture):
        return ["picture", reference.digest]
    return ["link", reference.url]
