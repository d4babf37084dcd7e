"""The values that travel between the two dialects.

Owns: requests, pictures, plans and notes, all frozen. Must not know: HTTP, the vendor's wire
shape, files beyond their path. Standard library only.
"""

from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["generation", "edit"]
Tier = Literal["1k", "2k", "4k"]
Quality = Literal["low", "medium", "high"]
Format = Literal["png", "jpeg", "webp"]
Delivery = Literal["url", "b64_json", "both"]
SizePolicy = Literal["exact", "nearest", "strict"]

TIERS: tuple[Tier, ...] = ("1k", "2k", "4k")
QUALITIES: tuple[Quality, ...] = ("low", "medium", "high")
FORMATS: tuple[Format, ...] = ("png", "jpeg", "webp")


@dataclass(frozen=True, slots=True)
class Note:
    """An adjustment made on the caller's behalf: a token, and parameters in order.

    Notes reach the caller in ``x-gateway-notes`` and the operator in the log. Names are lower-case
    RFC 8941 tokens (``size-cropped``), parameter names too; values are strings or numbers.
    """

    name: str
    params: tuple[tuple[str, str | float], ...] = ()


def note(name: str, /, **params: str | float) -> Note:
    """Make a note: ``note("size-cropped", from_="16:9")``; a trailing ``_`` is dropped."""
    return Note(name, tuple((key.rstrip("_"), value) for key, value in params.items()))


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture a caller sent: spooled to disk, sniffed and measured, upright.

    ``digest`` is the SHA-256 of the bytes, in hex; ``size`` is in bytes; ``alpha`` says that the
    mode has an alpha channel, ``transparent`` that at least one pixel is not opaque.
    """

    path: str
    digest: str
    media_type: str
    width: int
    height: int
    size: int
    alpha: bool
    transparent: bool = False


@dataclass(frozen=True, slots=True)
class RemotePicture:
    """A public https address that is handed to the vendor as it is."""

    url: str


Reference = Picture | RemotePicture


@dataclass(frozen=True, slots=True)
class ImageRequest:
    """What a caller asked, after leniency: absent is ``None``, values are typed, order is kept.

    ``size``, ``quality`` and ``background`` are still the caller's words (lower case, trimmed);
    judging them is the planner's work.
    """

    kind: Kind
    prompt: str = field(repr=False)
    requested_model: str | None = None
    n: int = 1
    size: str | None = None
    resolution: str | None = None
    quality: str | None = None
    background: str | None = None
    output_format: Format | None = None
    output_compression: int | None = None
    response_format: Literal["url", "b64_json"] | None = None
    safety_identifier: str | None = None
    references: tuple[Reference, ...] = ()
    mask: Reference | None = None
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What one model at the vendor can do. Defaults are the specification's.

    ``extended_sizes`` offers 4k for all thirteen ratios (39 sizes); the source page has six (32).
    """

    name: str
    upstream_model: str
    aliases: tuple[str, ...] = ()
    extended_sizes: bool = False
    max_images_per_task: int = 4
    max_references: int = 16
    max_prompt: int = 32_000
    masks: bool = True
    backgrounds: tuple[str, ...] = ()
    default_quality: Quality = "high"


@dataclass(frozen=True, slots=True)
class TaskSpec:
    """One paid task, in the vendor's terms but not in its wire shape.

    ``ratio`` is one of the table's (``"16:9"``) or ``"auto"``.
    ``background`` is ``None`` unless the model card says the vendor honours it.
    """

    upstream_model: str
    prompt: str = field(repr=False)
    ratio: str
    tier: Tier
    quality: Quality
    output_format: Literal["png", "jpeg"]
    n: int
    output_compression: int | None = None
    background: str | None = None
    references: tuple[Reference, ...] = ()
    mask: Reference | None = None


@dataclass(frozen=True, slots=True)
class Finish:
    """What is done to each result here: ``pixels`` None leaves the size as it came.

    ``compression`` is the encoder's quality (0 to 100) where this side encodes.
    """

    pixels: tuple[int, int] | None
    format: Format
    compression: int | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """How a request will be served; nothing in it depends on the connection it came by.

    ``bought`` are the pixels the vendor's table promises (``None`` for ``auto``); ``promised`` is
    what the caller will get (``None`` for ``auto``). ``text_tokens`` are those of a prompt that was
    taken out.
    """

    kind: Kind
    model: str
    requested_model: str | None
    tasks: tuple[TaskSpec, ...]
    finish: Finish
    bought: tuple[int, int] | None
    promised: tuple[int, int] | None
    delivery: Delivery
    safety_identifier: str | None = None
    notes: tuple[Note, ...] = ()
    text_tokens: int | None = None

    @property
    def n(self) -> int:
        """Images in all."""
        return sum(task.n for task in self.tasks)

    @property
    def tier(self) -> Tier:
        """The tier every task of the plan is bought at."""
        return self.tasks[0].tier

    @property
    def quality(self) -> Quality:
        """The quality every task of the plan is bought at."""
        return self.tasks[0].quality
