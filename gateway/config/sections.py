"""The configuration's shape: one frozen model per section, with every default.

Owns: names, types, bounds and defaults of what an operator may set; they are public. Must not
know: files, YAML, the environment (``loader.py``), or what a section is used for.
Times are in seconds, sizes in bytes; ``24h``, ``90s`` and ``10GB``, ``64MiB`` are understood.
"""

import re
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr

_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
_BYTES = {
    "b": 1,
    "kb": 10**3,
    "mb": 10**6,
    "gb": 10**9,
    "kib": 2**10,
    "mib": 2**20,
    "gib": 2**30,
}


def _scaled(units: dict[str, float] | dict[str, int], example: str, value: object) -> object:
    if not isinstance(value, str):
        return value
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*", value.lower())
    if match is None or (match[2] and match[2] not in units):
        raise ValueError(f"expected a number with a unit, such as {example}")
    return float(match[1]) * units.get(match[2], 1)


def _seconds(value: object) -> object:
    return _scaled(_SECONDS, "24h or 90s", value)


def _bytes(value: object) -> object:
    scaled = _scaled(_BYTES, "64MB or 10GB", value)
    return int(scaled) if isinstance(scaled, float) else scaled


Seconds = Annotated[float, BeforeValidator(_seconds), Field(ge=0)]
Bytes = Annotated[int, BeforeValidator(_bytes), Field(ge=0)]
Port = Annotated[int, Field(ge=0, le=65535)]
Name = Annotated[str, Field(min_length=1, max_length=100)]


class Section(BaseModel):
    """What all sections share: frozen, unknown names refused, numbers not made from words."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class ServerBounds(Section):
    """What one caller may send, and how long it may take (``security-and-operations``)."""

    body: Bytes = 256_000_000
    json_generation: Bytes = 1_000_000
    json_edit: Bytes = 64_000_000
    part: Bytes = 256_000
    parts: int = Field(default=64, ge=1)
    header_bytes: Bytes = 32_768
    header_count: int = Field(default=100, ge=1)
    header_time: Seconds = 10
    idle_time: Seconds = 15
    body_time: Seconds = 300
    body_rate: Bytes = Field(default=8_192, description="least bytes per second of a body")
    body_grace: Seconds = Field(default=10, description="before the least rate is asked for")
    write_time: Seconds = Field(
        default=60, description="a reader that takes nothing for so long is cut"
    )
    connections: int = Field(default=10_000, ge=1)


class Server(Section):
    """The clients' listener."""

    host: str = "127.0.0.1"
    port: Port = 8080
    public_url: str | None = Field(default=None, description="where pictures' links point to")
    trusted_proxies: tuple[str, ...] = Field(
        default=(), description="addresses or networks whose X-Forwarded-* are believed"
    )
    compatibility: Literal["lenient", "strict"] = "lenient"
    bounds: ServerBounds = ServerBounds()


class Ops(Section):
    """The operators' listener."""

    host: str = "127.0.0.1"
    port: Port = 9464
    token: SecretStr | None = None


class Polling(Section):
    """How the waiting is done; ``scale`` multiplies every interval (0.1 for a fast simulator)."""

    scale: float = Field(default=1.0, gt=0, le=10)
    concurrency: int = Field(default=32, ge=1, le=1000)
    follow: Seconds = Field(default=1800, description="after the deadline, in the background")


class Deadlines(Section):
    """From the request's arrival, per tier; quality low gets half."""

    tier_1k: Seconds = 300
    tier_2k: Seconds = 420
    tier_4k: Seconds = 570


class Upstream(Section):
    """The vendor's account."""

    base_url: str = "https://toapis.com"
    api_key: SecretStr
    submit_per_second: float = Field(default=5, gt=0)
    query_per_second: float = Field(default=50, gt=0)
    connect_time: Seconds = 10
    create_time: Seconds = 60
    settle_time: Seconds = 90
    status_time: Seconds = 15
    upload_time: Seconds = 120
    download_time: Seconds = 120
    answer_bytes: Bytes = 32_000_000
    upload_bytes: Bytes = Field(default=10_000_000, description="the vendor's bound on one picture")
    upload_lifetime: Seconds = Field(
        default=3600, description="an uploaded reference is reused so long"
    )
    result_hosts: tuple[str, ...] = Field(
        default=(), description="if given, result links must point to one of these hosts"
    )
    polling: Polling = Polling()
    deadlines: Deadlines = Deadlines()


class Model(Section):
    """One model at the vendor, and the names callers may use for it."""

    upstream_model: Name = "gpt-image-1.5-official"
    aliases: tuple[Name, ...] = ()
    extended_sizes: bool = Field(
        default=False, description="4k for all 13 ratios: 39 sizes, not 32"
    )
    max_images_per_task: int = Field(default=4, ge=1, le=10)
    max_references: int = Field(default=16, ge=0, le=16)
    max_prompt: int = Field(default=32_000, ge=1)
    masks: bool = True
    backgrounds: tuple[Literal["opaque", "transparent"], ...] = ()
    default_quality: Literal["low", "medium", "high"] = "high"


class Limits(Section):
    """What a key may use; kept here so that files written today stay valid."""

    requests_per_minute: int | None = Field(default=None, ge=1)
    images_per_minute: int | None = Field(default=None, ge=1)
    concurrent: int | None = Field(default=None, ge=1)
    images_per_day: int | None = Field(default=None, ge=1)


class Key(Section):
    """One client key."""

    name: Name
    key: SecretStr
    limits: Limits = Limits()


class Requests(Section):
    """How requests are read and answered."""

    default_model: Name = "gpt-image-2"
    unknown_models: Literal["family", "refuse"] = "family"
    sizes: Literal["exact", "nearest", "strict"] | None = Field(
        default=None, description="null: exact, or strict where server.compatibility is strict"
    )
    response_format: Literal["auto", "b64_json", "url", "both"] = "auto"
    partial_results: bool = Field(default=False, description="answer with what succeeded of n")


class State(Section):
    """Where jobs are remembered."""

    url: str = "memory://"


class PictureBounds(Section):
    """What a caller's picture may be."""

    bytes: Bytes = 50_000_000
    pixels: int = Field(default=40_000_000, ge=1)
    edge: int = Field(default=8_192, ge=1)


class Images(Section):
    """Pictures: the shelf of finished ones, and bounds on those that come in."""

    folder: str = "data/images"
    lifetime: Seconds = 86_400
    shelf: Bytes = 10_000_000_000
    result: Bytes = Field(default=64_000_000, description="bound on one result")
    fetch_from: tuple[str, ...] = Field(
        default=(), description="hosts that may be fetched from even where they are private"
    )
    bounds: PictureBounds = PictureBounds()


class Log(Section):
    """The log on standard output."""

    format: Literal["json", "console"] = "json"
    level: Literal["debug", "info", "warning", "error"] = "info"


class Simulator(Section):
    """The simulated vendor (``image-gateway simulate`` and ``demo``)."""

    host: str = "127.0.0.1"
    port: Port = 9800
    api_key: SecretStr = SecretStr("simulated")
    speed: float = Field(default=1.0, gt=0, description="durations are divided by this")
    seed: int | None = None


class Config(Section):
    """The whole configuration; only ``app.py`` sees it, every part gets its own section."""

    server: Server = Server()
    ops: Ops = Ops()
    upstream: Upstream
    models: dict[Name, Model] = Field(
        default={
            "gpt-image-2": Model(aliases=("gpt-image-1.5", "gpt-image-1", "dall-e-3", "dall-e-2"))
        },
        min_length=1,
    )
    keys: tuple[Key, ...] = Field(min_length=1)
    requests: Requests = Requests()
    state: State = State()
    images: Images = Images()
    log: Log = Log()
