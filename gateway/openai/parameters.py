"""The parameters of an image request: one table, and what becomes of names not in it.

Owns: names, limits, which exist where, and the rules between them. Must not know: bodies, or how
pictures travel (``references.py``).

Lenient is the default: unknown names are passed over with a note. Strict answers as OpenAI does
(``openai-images-api`` sections 2 and 6.1).
"""

from dataclasses import dataclass
from typing import Final, Literal

from gateway.errors import UnmakeableImage
from gateway.openai import faults
from gateway.openai.fields import Given, Parameter, as_integer, choice, flag, integer, text, word
from gateway.translate.model import FORMATS, Format, Note, note

MAX_PROMPT = 32_000
"""Characters of a prompt at OpenAI; a model's card may say less, which the planner judges."""

MAX_N = 10
_MOST_NOTES = 8

_FORMAT_WORDS: Final[dict[str, Format]] = {"jpg": "jpeg"}
_DELIVERIES: Final[tuple[Literal["url", "b64_json"], ...]] = ("url", "b64_json")

PROMPT = Parameter("prompt", text(MAX_PROMPT))
MODEL = Parameter("model", text(256))
N = Parameter("n", integer(1, MAX_N))
SIZE = Parameter("size", word(numbers=True))
RESOLUTION = Parameter("resolution", choice("1k", "2k", "4k"))
QUALITY = Parameter("quality", word())
STRICT_QUALITY = Parameter("quality", choice("low", "medium", "high", "auto"))
OLD_QUALITY = Parameter("quality", choice("standard", "hd", "low", "medium", "high", "auto"))
BACKGROUND = Parameter("background", choice("transparent", "opaque", "auto"))
OUTPUT_FORMAT = Parameter("output_format", choice(*FORMATS, synonyms=_FORMAT_WORDS))
OUTPUT_COMPRESSION = Parameter("output_compression", integer(0, 100))
RESPONSE_FORMAT = Parameter("response_format", choice(*_DELIVERIES))
STREAM = Parameter("stream", flag)
USER = Parameter("user", text(1024, numbers=True))
SAFETY_IDENTIFIER = Parameter("safety_identifier", text(1024, numbers=True))
WEBHOOK_URL = Parameter("webhook_url", text(2048))
# Checked when strict; nothing at the vendor corresponds to them.
PARTIAL_IMAGES = Parameter("partial_images", integer(0, 3))
MODERATION = Parameter("moderation", choice("auto", "low"))
STYLE = Parameter("style", choice("vivid", "natural"))
INPUT_FIDELITY = Parameter("input_fidelity", choice("low", "high"))

PICTURES = ("image", "images", "mask")

_READ = frozenset(
    {"prompt", "model", "n", "size", "resolution", "quality", "background", "output_format"}
    | {"output_compression", "response_format", "stream", "user", "safety_identifier"}
    | {"webhook_url", "markup", *PICTURES}
)
_ALWAYS_STRICTLY = _READ - {"resolution", "response_format", "markup", *PICTURES}
_CHECKED_STRICTLY = {
    parameter.name: parameter for parameter in (MODERATION, STYLE, INPUT_FIDELITY)
} | {PARTIAL_IMAGES.name: PARTIAL_IMAGES}


@dataclass(frozen=True, slots=True)
class Scalars:
    """All of a request but its pictures; what the values mean is said at ``ImageRequest``."""

    prompt: str
    model: str | None
    n: int
    size: str | None
    resolution: str | None
    quality: str | None
    background: str | None
    output_format: Format | None
    output_compression: int | None
    response_format: Literal["url", "b64_json"] | None
    safety_identifier: str | None
    stream: bool
    webhook_url: str | None
    notes: tuple[Note, ...]


def read_scalars(given: Given, standing_prompt: str | None = None) -> Scalars:
    """Read all parameters but the pictures.

    ``standing_prompt`` serves where the body has none. Raises ``InvalidRequest``, the first fault.
    """
    model = (MODEL.of(given) or "").strip() or None
    notes = _pass_over(given, model)
    n, n_notes = _read_n(given)
    output_format = OUTPUT_FORMAT.of(given)
    compression, compression_notes = _read_compression(given, output_format)
    return Scalars(
        prompt=_read_prompt(given, standing_prompt),
        model=model,
        n=n,
        size=SIZE.of(given) or None,
        resolution=RESOLUTION.of(given),
        quality=_quality(given, model).of(given) or None,
        background=BACKGROUND.of(given),
        output_format=output_format,
        output_compression=compression,
        response_format=RESPONSE_FORMAT.of(given),
        safety_identifier=SAFETY_IDENTIFIER.of(given) or USER.of(given) or None,
        stream=bool(STREAM.of(given)),
        webhook_url=WEBHOOK_URL.of(given) or None,
        notes=notes + n_notes + compression_notes,
    )


def _read_prompt(given: Given, standing: str | None) -> str:
    prompt = PROMPT.of(given)
    if prompt is not None and prompt.strip():
        return prompt
    if standing is not None:
        return standing
    value = given.values.get(PROMPT.name)
    if not isinstance(value, str) or value.strip():  # null, or a word that stands for it
        raise faults.missing(PROMPT.name)
    raise faults.empty(PROMPT.name)


def _read_n(given: Given) -> tuple[int, tuple[Note, ...]]:
    value = given.values.get(N.name)
    if not given.strict and as_integer(value, given) == 0:  # go-openai's "not set"
        return 1, (note("n-raised", from_=0, to=1),)
    return N.of(given) or 1, ()


def _read_compression(
    given: Given, output_format: Format | None
) -> tuple[int | None, tuple[Note, ...]]:
    compression = OUTPUT_COMPRESSION.of(given)
    if compression is None or compression == 100 or output_format in {"jpeg", "webp"}:  # noqa: PLR2004 - percent
        return compression, ()
    if given.strict:
        message = "Compression less than 100 is not supported for PNG output format."
        raise UnmakeableImage(message, param=OUTPUT_COMPRESSION.name, code="invalid_value")
    return None, (_ignored(OUTPUT_COMPRESSION.name),)


def _quality(given: Given, model: str | None) -> Parameter[str]:
    if not given.strict:
        return QUALITY
    return OLD_QUALITY if _old(model) else STRICT_QUALITY


def _old(model: str | None) -> bool:
    """Whether the model is of the dall-e family, as none was in its time."""
    return model is None or model.startswith("dall-e")


def _pass_over(given: Given, model: str | None) -> tuple[Note, ...]:
    """Refuse what cannot be passed over; notes for what is."""
    if not given.absent(given.values.get("markup")):
        raise faults.markup()
    if given.strict:
        for name in given.values:
            _refuse_strictly(name, given, model)
        return ()
    if given.kind == "generation":
        _refuse_pictures(given)
    names = [name for name in given.values if _counts(name, given)]
    # Nested extras come as foo[a], foo[b]: one parameter, one note.
    ignored = list(dict.fromkeys(faults.quoted(name.partition("[")[0] or name) for name in names))
    notes = tuple(_ignored(name) for name in ignored[:_MOST_NOTES])
    if len(ignored) > _MOST_NOTES:
        notes += (note("parameters-ignored", count=len(ignored) - _MOST_NOTES),)
    return notes


def _counts(name: str, given: Given) -> bool:
    """Whether ignoring this parameter changes anything for the caller."""
    value = given.values[name]
    harmless = name == "partial_images" or (name == "moderation" and value == "auto")
    return not (name in _READ or harmless or given.absent(value))


def _refuse_pictures(given: Given) -> None:
    """Refuse pictures, unless what stands there says that there is none."""
    for name in PICTURES:
        value = given.values.get(name)
        if value != [] and not given.absent(value):
            raise faults.misplaced(name)


def _refuse_strictly(name: str, given: Given, model: str | None) -> None:
    """Raise for a parameter that OpenAI would not know here, or whose value it would refuse."""
    if not _known_strictly(name, given, model):
        raise faults.unknown(name)
    if checked := _CHECKED_STRICTLY.get(name):
        checked.of(given)
    if name == INPUT_FIDELITY.name and (model or "").startswith("gpt-image-2"):
        message = f"The model '{faults.quoted(model)}' does not take '{name}': leave it out."
        raise UnmakeableImage(message, param=name, code="invalid_input_fidelity_model")


def _known_strictly(name: str, given: Given, model: str | None) -> bool:
    """Whether OpenAI has this parameter at this endpoint, in this kind of body, for this model."""
    edit = given.kind == "edit"
    match name:
        case "partial_images" | "moderation":
            return True
        case "images":
            return edit and not given.form
        case "mask" | "input_fidelity":
            return edit
        case "style":
            return _old(model) and not edit
        case "response_format":
            return _old(model) and (given.form or not edit)
        case _:
            return name in _ALWAYS_STRICTLY


def _ignored(name: str) -> Note:
    # A note ends in a header, whose strings are ASCII.
    return note("parameter-ignored", name_=name.encode("ascii", "replace").decode())
