"""The configuration's shape: one frozen model per section, with every default.

Owns: names, types, bounds, defaults and one-line helps of what an operator may set; they are
public. Must not know: files, YAML, the environment (``loader.py``), what a section is used for,
or rules that span sections (``checks.py``).
Times are in seconds, sizes in bytes, money in micro-dollars; ``24h``, ``90s``, ``10GB``, ``64MiB``
and dollars (``"2.50"``) are understood.
"""

from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from gateway.config import addresses
from gateway.config.answers import Heartbeats, Webhooks
from gateway.config.credentials import ONE_WAY, Credential, Digest, Expiry, Id
from gateway.config.kinds import (
    Bytes,
    Dollars,
    Flag,
    Host,
    Limit,
    Name,
    Network,
    Number,
    Port,
    Seconds,
    Section,
    Whole,
)
from gateway.config.units import SECONDS


class ServerBounds(Section):
    """What one caller may send, and how long it may take."""

    body: Bytes = Field(default=256_000_000, description="one request's body in all")
    json_generation: Bytes = Field(default=1_000_000, description="a JSON body of generations")
    json_edit: Bytes = Field(default=64_000_000, description="a JSON body of edits")
    part: Bytes = Field(default=256_000, description="a multipart part that is not a picture")
    parts: Whole = Field(default=64, ge=1, description="parts that are not pictures, per body")
    header_bytes: Bytes = Field(default=32_768, description="all headers of a request")
    header_count: Whole = Field(default=100, ge=1, description="headers of a request")
    header_time: Seconds = Field(default=10, description="until the headers have arrived")
    idle_time: Seconds = Field(default=15, description="a connection kept open between requests")
    body_time: Seconds = Field(default=300, description="until the body has arrived")
    body_rate: Bytes = Field(default=8_192, description="least bytes per second of a body")
    body_grace: Seconds = Field(default=10, description="before the least rate is asked for")
    write_time: Seconds = Field(
        default=60, description="a reader that takes nothing for so long is cut"
    )
    connections: Whole = Field(default=10_000, ge=1, description="callers held at once")


class Server(Section):
    """The clients' listener."""

    host: Host = Field(default="127.0.0.1", description="address to listen on")
    port: Port = Field(default=8080, description="port to listen on; 0 lets the system choose")
    public_url: Annotated[str, AfterValidator(addresses.public_url)] | None = Field(
        default=None,
        description="where pictures' links point to; null: the scheme and Host of the request",
    )
    trusted_proxies: tuple[Network, ...] = Field(
        default=(), description="addresses or networks whose X-Forwarded-* are believed"
    )
    failed_auth_per_minute: Limit = Field(
        default=30, description="wrong keys an address may show; generated keys pass; null: any"
    )
    compatibility: Literal["lenient", "strict"] = Field(
        default="lenient", description="lenient forgives odd values with a note, strict refuses"
    )
    cors_origins: tuple[Annotated[str, AfterValidator(addresses.web_origin)], ...] = Field(
        default=("*",), description="origins whose pages may call from a browser; *: any"
    )
    heartbeats: Heartbeats = Heartbeats()
    bounds: ServerBounds = ServerBounds()


class Ops(Section):
    """The operators' listener."""

    host: Host = Field(default="127.0.0.1", description="address to listen on")
    port: Port = Field(default=9464, description="port to listen on; 0 lets the system choose")
    token: SecretStr | None = Field(
        default=None,
        description="asked of operators, 16 characters or more; "
        "required where host is not loopback",
    )


class Polling(Section):
    """How the waiting for the vendor is done."""

    scale: Number = Field(
        default=1.0, gt=0, le=10, description="multiplies every interval; 0.1 for a fast simulator"
    )
    concurrency: Whole = Field(
        default=32, ge=1, le=1000, description="status questions under way at once"
    )
    follow: Seconds = Field(
        default=1800, description="a task is followed so long after its deadline"
    )


class Deadlines(Section):
    """How long a caller waits, from the request's arrival; quality low gets half."""

    tier_1k: Seconds = Field(default=300, description="for pictures of the 1k tier")
    tier_2k: Seconds = Field(default=420, description="for pictures of the 2k tier")
    tier_4k: Seconds = Field(default=570, description="for pictures of the 4k tier")


class Breaker(Section):
    """When creates are held back because they fail anyway."""

    share: Number = Field(
        default=0.5, gt=0, le=1, description="of the creates in the window that must have failed"
    )
    least: Whole = Field(default=10, ge=1, description="creates in the window, for it to count")
    window: Seconds = Field(default=30, gt=0, description="how far back creates are counted")
    pause: Seconds = Field(default=15, description="none is sent for so long, then one as a probe")


class Upstream(Section):
    """The vendor's account."""

    base_url: Annotated[str, AfterValidator(addresses.base_url)] = Field(
        default="https://toapis.com", description="the vendor's address, with or without /v1"
    )
    api_key: SecretStr = Field(description="the vendor's key")
    webhook_secret: SecretStr | None = Field(
        default=None,
        description="as the vendor's console shows it, for its webhooks to "
        "server.public_url/webhooks/toapis; null: none are taken",
    )
    submit_per_second: Number = Field(
        default=5, gt=0, description="creates the account allows per second"
    )
    query_per_second: Number = Field(
        default=50, gt=0, description="status questions the account allows per second"
    )
    connect_time: Seconds = Field(default=10, description="until a connection stands")
    create_time: Seconds = Field(default=60, description="until a create is answered")
    settle_time: Seconds = Field(
        default=90, description="after a lost answer, until a task not found is held for lost"
    )
    status_time: Seconds = Field(default=15, description="until a status question is answered")
    upload_time: Seconds = Field(default=120, description="one upload")
    download_time: Seconds = Field(default=120, description="one download")
    answer_bytes: Bytes = Field(default=32_000_000, description="bound on one of its JSON answers")
    upload_bytes: Bytes = Field(default=10_000_000, description="the vendor's bound on one picture")
    upload_lifetime: Seconds = Field(
        default=3600, description="an uploaded reference is reused so long"
    )
    result_hosts: tuple[Host, ...] = Field(
        default=(), description="if given, result links must point to one of these hosts"
    )
    on_unknown: Literal["fail", "recreate"] = Field(
        default="fail",
        description="a create whose outcome stays unknown: fail, or recreate and perhaps pay twice",
    )
    retry_share: Number = Field(
        default=0.2, ge=0, le=1, description="repetitions allowed per call, over ten seconds' calls"
    )
    max_tasks: Whole = Field(
        default=100, ge=1, description="tasks at the vendor at once; more wait in the queue"
    )
    balance_interval: Seconds = Field(
        default=300, description="between two looks at the account's balance; 0: never"
    )
    polling: Polling = Polling()
    deadlines: Deadlines = Deadlines()
    breaker: Breaker = Breaker()


class Prices(Section):
    """What a picture of one tier costs, in US dollars, by its quality."""

    low: Dollars = Field(default=None, description="null: no price")
    medium: Dollars = Field(default=None, description="null: no price")
    high: Dollars = Field(default=None, description="null: no price")


class PriceList(Section):
    """What a picture of a model costs; limits of cost need it."""

    tier_1k: Prices = Prices()
    tier_2k: Prices = Prices()
    tier_4k: Prices = Prices()


class Model(Section):
    """One model at the vendor, and the names callers may use for it."""

    upstream_model: Name = Field(
        default="gpt-image-1.5-official", description="the vendor's name for it"
    )
    aliases: tuple[Name, ...] = Field(default=(), description="further names callers may use")
    extended_sizes: Flag = Field(
        default=False, description="4k for all 13 ratios: 39 sizes, not 32"
    )
    max_images_per_task: Whole = Field(
        default=4, ge=1, le=10, description="larger requests become several tasks"
    )
    max_references: Whole = Field(
        default=16, ge=0, le=16, description="pictures an edit may bring, without the mask"
    )
    max_prompt: Whole = Field(default=32_000, ge=1, description="characters of a prompt")
    masks: Flag = Field(default=True, description="whether edits may bring a mask")
    backgrounds: tuple[Literal["opaque", "transparent"], ...] = Field(
        default=(), description="backgrounds that may be asked for besides auto"
    )
    default_quality: Literal["low", "medium", "high"] = Field(
        default="high", description="for requests that name none, or auto"
    )
    prices: PriceList = PriceList()


class Limits(Section):
    """What a key may use; null: no limit. Days and months are UTC's."""

    requests_per_minute: Limit = Field(default=None, description="requests for pictures")
    requests_burst: Limit = Field(
        default=None, description="requests at once after a pause; null: ten seconds' worth"
    )
    images_per_minute: Limit = Field(default=None, description="pictures, each of n")
    images_burst: Limit = Field(
        default=None, description="pictures at once after a pause; null: ten seconds' worth"
    )
    concurrent: Limit = Field(default=None, description="pictures under way at once")
    images_per_day: Limit = Field(default=None, description="pictures bought")
    cost_per_day: Dollars = Field(default=None, description="US dollars; models need prices")
    cost_per_month: Dollars = Field(default=None, description="US dollars; models need prices")


class Key(Section):
    """One client key: either key, or id and sha256."""

    model_config = ONE_WAY

    name: Name = Field(description="what logs and limits call it; unique")
    key: SecretStr | None = Field(
        default=None, description="what the client sends; unique, 8 characters or more"
    )
    id: Id | None = Field(default=None, description="in place of key: the id in a generated key")
    sha256: Digest | None = Field(
        default=None, description="in place of key: the SHA-256 of the whole key, in hex"
    )
    expires: Expiry | None = Field(
        default=None, description="UTC date, through its end, or date and time; null: never"
    )
    disabled: Flag = Field(default=False, description="refused, and all under also with it")
    also: tuple[Credential, ...] = ()
    models: tuple[Name, ...] = Field(
        default=(), description="models it may ask for, by their own names; empty: all"
    )
    max_tier: Literal["1k", "2k", "4k"] | None = Field(
        default=None, description="the largest tier it may ask for; null: any"
    )
    max_quality: Literal["low", "medium", "high"] | None = Field(
        default=None, description="the highest quality it may ask for; null: any"
    )
    max_n: Annotated[Whole | None, Field(ge=1, le=10)] = Field(
        default=None, description="pictures it may ask for at once; null: any number"
    )
    weight: Annotated[Whole, Field(ge=1, le=100)] = Field(
        default=1, description="its share of the turns, against the other keys' weights"
    )
    keepalive: Literal["none", "whitespace"] = Field(
        default="none", description="whitespace sends blanks before a late answer"
    )
    webhook_secret: SecretStr | None = Field(
        default=None, description="signs its webhooks, in the place of webhooks.secret"
    )
    limits: Limits = Limits()


class Queue(Section):
    """Requests that wait for their turn at the vendor."""

    requests: Whole = Field(default=1_000, ge=1, description="that wait at once; more are refused")
    time: Seconds = Field(default=60, gt=0, description="one waits so long, and is then refused")


class Requests(Section):
    """How requests are read and answered."""

    default_model: Name = Field(
        default="gpt-image-2", description="for requests that name none; a model or an alias"
    )
    unknown_models: Literal["family", "refuse"] = Field(
        default="family", description="family serves other gpt-image and dall-e names by default"
    )
    sizes: Literal["exact", "nearest", "strict"] | None = Field(
        default=None, description="null: exact, or strict where server.compatibility is strict"
    )
    response_format: Literal["auto", "b64_json", "url", "both"] = Field(
        default="auto", description="for requests that name none; auto goes by the model's name"
    )
    partial_results: Flag = Field(default=False, description="answer with what succeeded of n")


class State(Section):
    """The ledger: where jobs are remembered."""

    url: Annotated[str, AfterValidator(addresses.state_url)] = Field(
        default="sqlite:///data/state.db",
        description="sqlite:///a/file, or memory:// (nothing outlives the process)",
    )
    keep: Annotated[Number, Field(ge=86_400), BeforeValidator(SECONDS.read), SECONDS] = Field(
        default=30 * 86_400, description="a job that ended is kept; a day or more"
    )
    keep_prompts: Flag = Field(
        default=False, description="keep prompts of jobs that ended, and not just of running ones"
    )


class Joins(Section):
    """When a request is held for the repetition of an earlier one, and gets what that one made."""

    failures: Seconds = Field(
        default=300, description="the failure of something paid for is given again for so long"
    )
    orphans: Seconds = Field(
        default=600, description="a picture nobody took goes to an equal request for so long"
    )
    delivered: Seconds = Field(
        default=600, description="a delivered picture goes to an SDK's own retry for so long"
    )


class Drain(Section):
    """How the process stops."""

    delay: Seconds = Field(
        default=0, description="after a signal, requests are served for so long before the stop"
    )
    creates: Seconds = Field(default=5, description="creates under way are waited for so long")


class PictureBounds(Section):
    """What a caller's picture may be."""

    bytes: Bytes = Field(default=50_000_000, description="bound on its file")
    pixels: Whole = Field(default=40_000_000, ge=1, description="bound on width times height")
    edge: Whole = Field(default=8_192, ge=1, description="bound on width and on height")


class Images(Section):
    """Pictures: the shelf of finished ones, and bounds on those that come in."""

    folder: Annotated[str, Field(min_length=1)] = Field(
        default="data/images", description="where finished pictures lie"
    )
    lifetime: Seconds = Field(default=86_400, description="a finished picture is kept so long")
    shelf: Bytes = Field(default=10_000_000_000, description="all finished pictures together")
    result: Bytes = Field(default=64_000_000, description="bound on one result")
    fetch_from: tuple[Host, ...] = Field(
        default=(), description="hosts that may be fetched from even where they are private"
    )
    bounds: PictureBounds = PictureBounds()


class Log(Section):
    """The log on standard output."""

    format: Literal["json", "console"] = Field(
        default="json", description="json for machines, console for people"
    )
    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="the least that is written"
    )


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
    queue: Queue = Queue()
    joins: Joins = Joins()
    drain: Drain = Drain()
    webhooks: Webhooks = Webhooks()
    state: State = State()
    images: Images = Images()
    log: Log = Log()
