"""What may be changed while the simulated vendor runs: dialects, limits, generosity.

Owns: the names, defaults and bounds of settings, and changing some of them at once. Must not
know: HTTP, tasks. The page contradicts itself and its live service (``tests/wire`` has the
recordings); a setting picks which reading is acted.
"""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any
from urllib.parse import urlsplit

VOCABULARIES: Mapping[str, tuple[str, str, str, str]] = {
    "documented": ("queued", "in_progress", "completed", "failed"),
    "live": ("pending", "processing", "succeeded", "failed"),
    "submitted": ("submitted", "running", "success", "error"),
    "upper": ("NOT_START", "IN_PROGRESS", "SUCCESS", "FAILURE"),
    "upper_queue": ("QUEUED", "IN_PROGRESS", "SUCCESS", "FAILURE"),
    "upper_submitted": ("SUBMITTED", "IN_PROGRESS", "SUCCESS", "FAILED"),
    "blank": ("", "in_progress", "completed", "cancelled"),
    "strange": ("warming_up", "warming_up", "completed", "canceled"),
    "expiring": ("queued", "in_progress", "completed", "expired"),
}
"""Words for waiting, working, done and failed, per way of speaking."""

RESULTS = (
    "data_urls",
    "data_strings",
    "data_base64",
    "url",
    "result_url",
    "result_object",
    "top_data_urls",
    "top_data_base64",
    "output",
    "outputs",
    "images",
    "result_images",
    "output_results",
)
"""Where a finished task keeps its pictures."""

CREATIONS = ("documented", "task_id", "both", "video", "terminal", "terminal_openai")
"""How an accepted task is announced."""

FAILURES = ("error", "fail_reason", "text", "bare")
"""How a failed task says why: an object, an old field, a bare text, not at all."""


def _of(*words: str) -> Mapping[str, tuple[str, ...]]:
    return {"words": words}


def _within(least: float, most: float) -> Mapping[str, tuple[float, float]]:
    return {"bounds": (least, most)}


@dataclass(frozen=True, slots=True)
class Settings:
    """One way for the vendor to be. Rates are requests per second, times are seconds."""

    speed: float = field(default=1.0, metadata=_within(0.001, 1_000_000))
    vocabulary: str = field(default="documented", metadata=_of(*VOCABULARIES))
    result: str = field(default="data_urls", metadata=_of(*RESULTS))
    creation: str = field(default="documented", metadata=_of(*CREATIONS))
    creation_status: int = field(default=200, metadata=_within(200, 299))
    failure: str = field(default="error", metadata=_of(*FAILURES))
    progress: str = field(default="number", metadata=_of("number", "percent"))
    billing: bool = True
    max_n: int = field(default=10, metadata=_within(1, 10))
    extended_sizes: bool = False
    transparency: bool = False
    foreign_references: str = field(default="placeholder", metadata=_of("placeholder", "refuse"))
    repeated_business_id: str = field(default="accept", metadata=_of("accept", "same", "refuse"))
    upload_refusal_status: int = field(default=400, metadata=_within(200, 499))
    submit_per_second: float = field(default=5.0, metadata=_within(0.001, 1_000_000))
    submit_burst: int = field(default=50, metadata=_within(1, 1_000_000))
    query_per_second: float = field(default=50.0, metadata=_within(0.001, 1_000_000))
    query_burst: int = field(default=500, metadata=_within(1, 1_000_000))
    link_lifetime: float = field(default=86_400.0, metadata=_within(0, 10_000_000))
    balance_usd: float = field(default=1_000.0, metadata=_within(0, 1_000_000_000))
    webhook_url: str = field(default="", metadata={"loopback": True})
    webhook_secret: str = field(default="", repr=False)
    webhook_old_secret: str = field(default="", repr=False)

    def changed(self, changes: object) -> "Settings":
        """Change some of these settings, all or none.

        ``changes`` is decoded JSON: an object of names and values. Raises ``ValueError`` naming
        the first one that cannot be.
        """
        if not isinstance(changes, dict):
            raise ValueError("settings are an object of names and values")  # noqa: TRY004 - bad input
        known = {item.name: item for item in fields(self)}
        for name, value in changes.items():
            if name not in known:
                raise ValueError(f"no setting {name!r}; there are {', '.join(known)}")
            _check(name, value, type(getattr(self, name)), known[name].metadata)
        return replace(self, **changes)


def _check(name: str, value: object, kind: type, metadata: Mapping[str, Any]) -> None:
    if kind is float and type(value) is int:
        value = float(value)
    if type(value) is not kind:
        raise ValueError(f"{name} is a {kind.__name__}, not {value!r}")
    if "words" in metadata and value not in metadata["words"]:
        raise ValueError(f"{name} is one of {', '.join(map(str, metadata['words']))}")
    if "bounds" in metadata and isinstance(value, int | float):
        least, most = metadata["bounds"]
        if not least <= value <= most:
            raise ValueError(f"{name} is between {least} and {most}, not {value}")
    if metadata.get("loopback") and value and not _is_here(str(value)):
        raise ValueError(f"{name} is http:// and an address of this machine, not {value!r}")


def _is_here(url: str) -> bool:
    """Whether a URL leads to this machine: what is simulated calls nobody else."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        near = host == "localhost" or ipaddress.ip_address(host).is_loopback
        return parts.scheme == "http" and near and parts.port != 0 and url.isprintable()
    except ValueError:
        return False
