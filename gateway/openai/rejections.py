"""Why a request was turned away with nothing bought for it.

Owns: the one table from errors to the words that operators count by. Must not know: HTTP, who
counts. What failed, on the vendor's side or on ours, is no rejection: its row is None.
"""

from collections.abc import Mapping

from gateway import errors
from gateway.errors import GatewayError
from gateway.facts import Rejection

# By class; a class that is not listed goes by its nearest listed ancestor.
TABLE: Mapping[type[GatewayError], Rejection | None] = {
    errors.GatewayError: None,
    errors.RequestError: "invalid",
    errors.InvalidRequest: "invalid",
    errors.UnmakeableImage: "invalid",
    errors.ContentRefused: "invalid",
    errors.Unauthenticated: "auth",
    errors.WebhookRefused: "auth",
    errors.NotPermitted: "auth",
    errors.RateLimited: "rate_limit",
    errors.QuotaExceeded: "quota",
    errors.ModelNotFound: "invalid",
    errors.UnknownUrl: "invalid",
    errors.MethodNotAllowed: "invalid",
    errors.ImageNotFound: "invalid",
    errors.GenerationNotFound: "invalid",
    errors.IdempotencyKeyReused: "invalid",
    errors.BodyTooLarge: "too_large",
    errors.BodyTooSlow: "invalid",
    errors.UnsupportedContentType: "invalid",
    errors.UpstreamError: None,
    errors.UpstreamRefused: "invalid",
    errors.UpstreamUnauthorized: None,
    errors.UpstreamUnfunded: "unfunded",
    errors.UpstreamModelUnavailable: None,
    errors.UpstreamThrottled: "throttled",
    errors.UpstreamUnavailable: None,
    errors.CreatesHeldBack: "breaker",
    errors.UpstreamOutcomeUnknown: None,
    errors.TaskFailed: None,
    errors.ResultUnusable: None,
    errors.DeadlineExceeded: "deadline",
    errors.ServiceError: None,
    errors.Overloaded: "queue_full",
    errors.NoRoom: "overload",
    errors.Draining: "draining",
    errors.LedgerUnavailable: "journal",
    errors.InternalError: None,
}


def rejection(error: GatewayError) -> Rejection | None:
    """The word for an error; None where something was bought, or something failed."""
    if error.bought is not None:
        return None
    return next(TABLE[kind] for kind in type(error).__mro__ if kind in TABLE)
