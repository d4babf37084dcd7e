"""Everything that can go wrong, as one tree.

    GatewayError
    ├── RequestError                  the caller's doing
    │   ├── InvalidRequest            a parameter, named
    │   │   └── UnmakeableImage       well-formed, but no image can be made of it
    │   ├── ContentRefused            the vendor's safety system said no
    │   ├── Unauthenticated
    │   ├── WebhookRefused            not known to be the vendor's
    │   ├── RateLimited               too fast for its key: soon again
    │   ├── QuotaExceeded             the key's day or month is used up
    │   ├── NotPermitted              the key may not ask for this
    │   ├── ModelNotFound
    │   ├── UnknownUrl · MethodNotAllowed · ImageNotFound · GenerationNotFound
    │   ├── IdempotencyKeyReused      the same key for another request
    │   ├── BodyTooLarge · BodyTooSlow · UnsupportedContentType
    ├── UpstreamError                 the vendor's doing
    │   ├── UpstreamRefused           it found fault with our request
    │   ├── UpstreamUnauthorized · UpstreamUnfunded · UpstreamModelUnavailable
    │   ├── UpstreamThrottled · UpstreamUnavailable      nothing was bought
    │   │   └── CreatesHeldBack       they keep failing, so it was not tried
    │   ├── UpstreamOutcomeUnknown    sent, no answer: perhaps bought
    │   ├── TaskFailed                bought, ended without a picture
    │   ├── ResultUnusable            made, but what we fetched is not a picture
    │   └── DeadlineExceeded
    └── ServiceError                  ours
        ├── Overloaded · NoRoom · Draining
        ├── LedgerUnavailable         nothing can be written down, so nothing is bought
        └── InternalError

Owns: the tree and the facts an error carries. Must not know: HTTP. Which status, type and code
an error becomes is one table in ``openai/responses.py``.
"""

from dataclasses import dataclass

# A shorter secret is a word like others; of a long one so much tells it from all else.
_SHORTEST = 8
_TELLING = 24
_WITHHELD = "[removed]"


@dataclass(frozen=True, slots=True)
class Bought:
    """What exists at the vendor when an error is told: the job, and the vendor's task ids.

    ``kept`` are the file names of pictures that were made all the same and are on the shelf.
    """

    job_id: str
    upstream_ids: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()


class GatewayError(Exception):
    """Root of the tree.

    ``message`` is for the caller: it never holds a key, a prompt or an address of ours.
    ``bought`` is set once a task may exist, and then tells the caller not to ask again; unless
    ``come_back`` says that asking again collects what is paid for.
    """

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        retry_after: float | None = None,
        bought: Bought | None = None,
        come_back: bool = False,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.code = code
        self.retry_after = retry_after
        self.bought = bought
        self.come_back = come_back

    def withhold(self, secret: str) -> None:
        """Take a key or a prompt out of the message, where the vendor has repeated it.

        The message is one line, and may have been cut: where only the secret's beginning is found,
        nothing that follows is kept either.
        """
        words = " ".join(secret.split())
        start = self.message.find(words[:_TELLING])
        if len(words) < _SHORTEST or start < 0:
            return
        if words in self.message:
            self.message = self.message.replace(words, _WITHHELD)
        else:
            self.message = self.message[:start] + _WITHHELD


class RequestError(GatewayError):
    """The caller's request cannot be served as it is; nothing bought unless ``bought`` is set."""


class InvalidRequest(RequestError):
    """A parameter is missing, malformed or out of range; ``param`` names it."""


class UnmakeableImage(InvalidRequest):
    """The request is well-formed, but asks for, or brings, a picture that cannot be."""


class ContentRefused(RequestError):
    """The vendor's safety system refused the prompt, an input or the result."""


class Unauthenticated(RequestError):
    """No key, or one that is not good. Says the same in every case, and never echoes the key.

    ``reason`` is for the log: missing, unknown, expired or disabled; the latter two have a name.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        reason: str = "unknown",
        key_name: str | None = None,
    ) -> None:
        super().__init__(message, code=code)
        self.reason = reason
        self.key_name = key_name


class WebhookRefused(RequestError):
    """What came in the vendor's name is not known to be its own. Says the same in every case."""


class RateLimited(RequestError):
    """The key, or the address, asked faster than it may; ``retry_after`` says when it may again."""


class QuotaExceeded(RequestError):
    """What the key may use in a day or a month is used up; the message says until when."""


class NotPermitted(RequestError):
    """The key is good, but this is not among what it may ask for."""


class ModelNotFound(RequestError):
    """The model's name is neither configured, nor an alias, nor of a known family."""


class UnknownUrl(RequestError):
    """No such path."""


class MethodNotAllowed(RequestError):
    """The path exists, the method does not; ``allowed`` lists those that do."""

    def __init__(self, message: str, *, allowed: tuple[str, ...]) -> None:
        super().__init__(message)
        self.allowed = allowed


class ImageNotFound(RequestError):
    """No picture under this token: it never was, or its lifetime is over."""


class GenerationNotFound(RequestError):
    """No job under this id that the caller's key may see."""


class IdempotencyKeyReused(RequestError):
    """The idempotency key was used before, for a request that was another."""


class BodyTooLarge(RequestError):
    """The body, or a part of it, exceeds its bound."""


class BodyTooSlow(RequestError):
    """The body did not arrive within its time."""


class UnsupportedContentType(RequestError):
    """The body's media type is none that this path reads."""


class UpstreamError(GatewayError):
    """The vendor failed or refused."""


class UpstreamRefused(UpstreamError):
    """The vendor found fault with the request; ``param`` is its word for the place, if any."""


class UpstreamUnauthorized(UpstreamError):
    """The gateway's own key at the vendor is wrong or may not do this: the operator's to mend."""


class UpstreamUnfunded(UpstreamError):
    """The gateway's own account at the vendor has no credit left: the operator's to mend."""


class UpstreamModelUnavailable(UpstreamError):
    """The vendor does not serve the configured model on this account: the operator's to mend."""


class UpstreamThrottled(UpstreamError):
    """The vendor's allowance stayed used up for as long as we could wait. Nothing was bought."""


class UpstreamUnavailable(UpstreamError):
    """The vendor could not be reached, or did not take the request. Nothing was bought."""


class CreatesHeldBack(UpstreamUnavailable):
    """Creates keep failing, so none is sent for a while. Nothing was bought."""


class UpstreamOutcomeUnknown(UpstreamError):
    """A create was sent and its answer lost; nobody can say whether it was bought."""


class TaskFailed(UpstreamError):
    """A task that had been accepted ended without a picture."""


class ResultUnusable(UpstreamError):
    """The task succeeded, but its picture could not be fetched whole."""


class DeadlineExceeded(UpstreamError):
    """The waiting ended before the task did. With ``bought`` set, the task goes on."""


class ServiceError(GatewayError):
    """The gateway itself cannot serve now."""


class Overloaded(ServiceError):
    """Too much is going on; ``retry_after`` says when to come back."""


class NoRoom(ServiceError):
    """The shelf has no room for another picture, so none is bought."""


class Draining(ServiceError):
    """The process is about to stop and takes no new work."""


class LedgerUnavailable(ServiceError):
    """The ledger takes no entries at the moment, so nothing new is bought."""


class InternalError(ServiceError):
    """A fault of ours; the log has the details under the request's id."""
