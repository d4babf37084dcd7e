"""``doctor``'s checks of the vendor: its name, its port and certificate, its answer, its clock.

Owns: those checks, and the plain words for what the vendor answers. Nothing here costs money:
the one call is ``GET /v1/models``. Must not know: how requests are sent (``Asker``), or how
findings are printed. The key never appears in a finding.
"""

import asyncio
import datetime as dt
import email.utils
import json
import re
import socket
import ssl
from collections.abc import Iterator
from http import HTTPStatus
from urllib.parse import SplitResult, urlsplit

from gateway.cli.findings import Answer, Asker, Finding, Grade
from gateway.clock import Clock
from gateway.config.sections import Model, Upstream
from gateway.errors import GatewayError

SKEW_WARN = 30
SKEW_FAIL = 300
QUOTE_LENGTH = 200

_STATUSES: dict[int, tuple[Grade, str, str]] = {
    401: ("fail", "does not accept the key", "Check upstream.api_key, or make a new key there."),
    402: ("fail", "says that the account has no credit", "Top up the account."),
    403: ("fail", "forbids this key the call", "Check the key's rights and its address list."),
    404: ("fail", "knows no such address", "Check upstream.base_url; leave any path out."),
    429: ("warn", "is throttling this key now", "Ask again in a minute."),
}


async def name(upstream: Upstream) -> Finding:
    """Say whether the vendor's name resolves."""
    parts = urlsplit(upstream.base_url)
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(upstream.connect_time):
            found = await loop.getaddrinfo(parts.hostname, _port(parts), type=socket.SOCK_STREAM)
    except TimeoutError:
        return _failed("name", f"{parts.hostname} is not resolved in time", "Check the DNS server.")
    except OSError as fault:
        return _failed(
            "name",
            f"{parts.hostname} cannot be resolved: {fault.strerror}",
            "Check upstream.base_url for a slip, then this machine's DNS.",
        )
    addresses = sorted({str(entry[4][0]) for entry in found})
    return Finding("ok", "name", f"{parts.hostname} is {', '.join(addresses)}")


async def connection(upstream: Upstream) -> Finding:
    """Say whether a connection stands, with a certificate that this machine trusts."""
    parts = urlsplit(upstream.base_url)
    context = ssl.create_default_context() if parts.scheme == "https" else None
    place = f"{parts.hostname} port {_port(parts)}"
    try:
        async with asyncio.timeout(upstream.connect_time):
            _, writer = await asyncio.open_connection(parts.hostname, _port(parts), ssl=context)
    except ssl.SSLCertVerificationError as fault:
        return _failed(
            "connection",
            f"the certificate of {place} is not trusted: {fault.verify_message}",
            "Check this machine's clock and certificates, and any proxy on the way.",
        )
    except ssl.SSLError as fault:
        return _failed(
            "connection",
            f"no TLS with {place}: {fault.reason or 'refused'}",
            "Check the port of upstream.base_url, and any proxy on the way.",
        )
    except TimeoutError:
        return _failed("connection", f"{place} does not answer", "A firewall may be in between.")
    except OSError as fault:
        words = fault.strerror or "refused"
        return _failed("connection", f"no connection to {place}: {words}", "Is it running?")
    writer.transport.abort()
    return Finding("ok", "connection", f"{place} answers{' with TLS' if context else ''}")


async def answer(
    upstream: Upstream, models: dict[str, Model], asker: Asker, clock: Clock
) -> tuple[Finding, ...]:
    """Ask for the list of models; judge the key, the models and the clock."""
    key = upstream.api_key.get_secret_value()
    url = f"{upstream.base_url}/v1/models?type=all"
    headers = {"authorization": f"Bearer {key}", "accept": "application/json"}
    before = clock.wall()
    try:
        got = await asker.get(url, headers, upstream.status_time)
    except (OSError, GatewayError) as fault:
        words = _quoted(str(fault) or type(fault).__name__, key)
        return (_failed("key", f"the vendor does not answer: {words}", "See the lines above."),)
    now = (before + clock.wall()) / 2
    return (*judge(got, models, key), skew(got, now))


def judge(got: Answer, models: dict[str, Model], key: str) -> Iterator[Finding]:
    """Put the answer to ``GET /v1/models`` into words."""
    if got.status in _STATUSES:
        grade, words, advice = _STATUSES[got.status]
        yield Finding(grade, "key", f"the vendor {words} ({got.status})", advice)
        return
    body = _json(got.body)
    listed = _listed(body)
    if got.status == HTTPStatus.OK and listed is not None:
        yield Finding("ok", "key", "the vendor accepts the key")
        yield from _offered(models, listed)
    elif got.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        yield Finding("warn", "key", f"the vendor has trouble of its own ({got.status})", "Wait.")
    elif HTTPStatus.MULTIPLE_CHOICES <= got.status < HTTPStatus.BAD_REQUEST:
        target = _quoted(got.headers.get("location", "nowhere"), key)
        yield _failed("key", f"the vendor points elsewhere: {target}", "Change upstream.base_url.")
    elif body is None:
        yield _failed(
            "key",
            f"what answers is not the vendor's API ({got.status}, no JSON)",
            "Check upstream.base_url, and any proxy on the way.",
        )
    else:
        words = _quoted(_message(body), key)
        yield _failed("key", f"the vendor refuses ({got.status}): {words}", "See its message.")


def skew(got: Answer, now: float) -> Finding:
    """Compare the answer's ``Date`` (whole seconds) with this machine's clock."""
    try:
        theirs = email.utils.parsedate_to_datetime(got.headers.get("date", ""))
    except ValueError:
        return Finding("warn", "clock", "cannot be compared: the vendor sends no date")
    if theirs.tzinfo is None:
        theirs = theirs.replace(tzinfo=dt.UTC)
    apart = now - theirs.timestamp()
    words = f"{abs(apart):.0f} s {'ahead of' if apart > 0 else 'behind'} the vendor's"
    advice = "Set this machine's clock; let NTP keep it."
    if abs(apart) > SKEW_FAIL:
        return Finding("fail", "clock", words, advice)
    if abs(apart) > SKEW_WARN:
        return Finding("warn", "clock", words, advice)
    return Finding("ok", "clock", "agrees with the vendor's")


def _offered(models: dict[str, Model], listed: set[str]) -> Iterator[Finding]:
    for called, model in models.items():
        subject = f"model {called}"
        if model.upstream_model in listed:
            yield Finding("ok", subject, f"the vendor lists {model.upstream_model}")
        else:
            yield Finding(
                "warn",
                subject,
                f"the vendor does not list {model.upstream_model} for this key",
                f"Check models.{called}.upstream_model and what the account may use.",
            )


def _listed(body: object) -> set[str] | None:
    data = body.get("data") if isinstance(body, dict) else None
    if not isinstance(data, list) or (isinstance(body, dict) and body.get("success") is False):
        return None
    return {str(entry["id"]) for entry in data if isinstance(entry, dict) and "id" in entry}


def _message(body: object) -> str:
    """Find the message in any of the vendor's envelopes (flat, or below ``error``)."""
    inner = body.get("error", body) if isinstance(body, dict) else body
    message = inner.get("message") if isinstance(inner, dict) else inner
    return message if isinstance(message, str) else "without a message"


def _json(body: bytes) -> object:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _quoted(text: str, key: str) -> str:
    """Make foreign text fit for a terminal: one line, short, without the key."""
    text = re.sub(r"[^\w .,:;/?=&()'*-]+", " ", text.replace(key, "***"))
    return text[:QUOTE_LENGTH].strip()


def _failed(subject: str, message: str, advice: str) -> Finding:
    return Finding("fail", subject, message, advice)


def _port(parts: SplitResult) -> int:
    return parts.port or (443 if parts.scheme == "https" else 80)
