"""What may be ordered: the parameters of a create, held to the vendor's page.

Owns: the size table and the checks of a create's body, by this package's own reading of the page
(``gateway.translate`` has another, on purpose). Must not know: HTTP, files, money.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, cast

from gateway.simulator.envelopes import REFUSALS, Refused, invalid
from gateway.simulator.settings import Settings

Size = tuple[int, int]
Tier = Literal["1k", "2k", "4k"]
Quality = Literal["low", "medium", "high"]

MODELS = ("gpt-image-1.5-official", "gpt-image-2-official")
"""The official channel under its older and its newer name."""

OFFERED: Mapping[str, tuple[Size, Size, Size | None]] = {
    "1:1": ((1024, 1024), (2048, 2048), None),
    "3:2": ((1536, 1024), (2048, 1360), None),
    "2:3": ((1024, 1536), (1360, 2048), None),
    "4:3": ((1024, 768), (2048, 1536), None),
    "3:4": ((768, 1024), (1536, 2048), None),
    "5:4": ((1280, 1024), (2560, 2048), None),
    "4:5": ((1024, 1280), (2048, 2560), None),
    "16:9": ((1536, 864), (2048, 1152), (3840, 2160)),
    "9:16": ((864, 1536), (1152, 2048), (2160, 3840)),
    "2:1": ((2048, 1024), (2688, 1344), (3840, 1920)),
    "1:2": ((1024, 2048), (1344, 2688), (1920, 3840)),
    "21:9": ((2016, 864), (2688, 1152), (3840, 1648)),
    "9:21": ((864, 2016), (1152, 2688), (1648, 3840)),
}
"""Pixels per ratio at 1k, 2k and 4k, as the page prints them."""

LATER: Mapping[str, Size] = {
    "1:1": (2880, 2880),
    "3:2": (3520, 2336),
    "2:3": (2336, 3520),
    "4:3": (3312, 2480),
    "3:4": (2480, 3312),
    "5:4": (3216, 2576),
    "4:5": (2576, 3216),
}
"""4k sizes that only newer pages offer (the setting ``extended_sizes``)."""

TIERS: tuple[Tier, ...] = ("1k", "2k", "4k")
QUALITIES: tuple[Quality, ...] = ("low", "medium", "high")
MOST_REFERENCES = 16
LONGEST_PROMPT = 32_000
LONGEST_ADDRESS = 8_192


@dataclass(frozen=True, slots=True)
class Order:
    """A create whose parameters are right, each with its default filled in."""

    model: str
    prompt: str = field(repr=False)
    ratio: str
    tier: Tier
    quality: Quality
    output_format: Literal["png", "jpeg"]
    compression: int
    n: int
    background: str
    image_urls: tuple[str, ...]
    mask_url: str | None
    client_business_id: str | None


def offered(tier: Tier, *, extended: bool) -> Mapping[str, Size]:
    """List the ratios offered at ``tier`` with their pixels, in the page's order."""
    column = TIERS.index(tier)
    sizes = {ratio: row[column] for ratio, row in OFFERED.items()}
    if tier == "4k" and extended:
        sizes |= LATER
    return {ratio: size for ratio, size in sizes.items() if size is not None}


def nearest(width: int, height: int, ratios: Iterable[str]) -> str:
    """Choose the one of ``ratios`` that is closest to the shape of a picture."""
    shape = width / height

    def distance(ratio: str) -> float:
        wide, high = map(int, ratio.split(":"))
        return max(shape / (wide / high), (wide / high) / shape)

    return min(ratios, key=distance)


def read_order(body: object, settings: Settings) -> Order:
    """Check a decoded body. Raises ``Refused`` with the vendor's answer for the first fault."""
    if not isinstance(body, dict):
        raise Refused(invalid("The request body must be a JSON object."))
    model = _required(body, "model")
    if model not in MODELS:
        raise Refused(REFUSALS["model_not_found"])
    prompt = _required(body, "prompt")
    if len(prompt) > LONGEST_PROMPT:
        raise Refused(invalid(f"The prompt exceeds {LONGEST_PROMPT} characters.", "prompt"))
    if body.get("callback_url") is not None:
        raise Refused(REFUSALS["webhook_not_configured"])
    ratio, tier = _size(body, settings)
    image_urls = _addresses(body)
    return Order(
        model=model,
        prompt=prompt,
        ratio=ratio,
        tier=tier,
        quality=cast("Quality", _word(body, "quality", "high", QUALITIES)),
        output_format=_format(body),
        compression=_number(body, "output_compression", 100, 0, 100),
        n=_number(body, "n", 1, 1, settings.max_n),
        background=_word(body, "background", "auto", ("auto", "transparent", "opaque")),
        image_urls=image_urls,
        mask_url=_mask(body, image_urls),
        client_business_id=_business_id(body),
    )


def _required(body: Mapping[str, object], name: str) -> str:
    value = body.get(name)
    if value is None or (isinstance(value, str) and not value.strip()):
        raise Refused(invalid(f"The '{name}' field is required.", name))
    if not isinstance(value, str):
        raise Refused(invalid(f"The '{name}' field must be a string.", name))
    return _sound(value, name)


def _sound(value: str, name: str) -> str:
    """Refuse half a character: JSON can escape a lone surrogate, UTF-8 cannot hold it."""
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise Refused(invalid(f"The '{name}' field is not valid Unicode.", name))
    return value


def _word(body: Mapping[str, object], name: str, default: str, words: tuple[str, ...]) -> str:
    value = body.get(name, default)
    if not isinstance(value, str) or value not in words:
        raise Refused(invalid(f"The '{name}' field must be one of {', '.join(words)}.", name))
    return value


def _number(body: Mapping[str, object], name: str, default: int, least: int, most: int) -> int:
    value = body.get(name, default)
    if type(value) is not int:  # a quoted number is an error, and so is true
        raise Refused(invalid(f"The '{name}' field must be an integer.", name))
    if not least <= value <= most:
        raise Refused(invalid(f"The '{name}' field must be between {least} and {most}.", name))
    return value


def _size(body: Mapping[str, object], settings: Settings) -> tuple[str, Tier]:
    ratio = _word(body, "size", "1:1", (*OFFERED, "auto"))
    tier = cast("Tier", _word(body, "resolution", "1k", TIERS))
    if ratio != "auto" and ratio not in offered(tier, extended=settings.extended_sizes):
        raise Refused(invalid(f"size {ratio} is not supported at resolution {tier}.", "size"))
    return ratio, tier


def _format(body: Mapping[str, object]) -> Literal["png", "jpeg"]:
    if body.get("output_format") == "webp":
        raise Refused(invalid("Azure OpenAI does not support webp format.", "output_format"))
    word = _word(body, "output_format", "png", ("png", "jpeg"))
    return "png" if word == "png" else "jpeg"


def _addresses(body: Mapping[str, object]) -> tuple[str, ...]:
    value = body.get("image_urls")
    if value is None:
        return ()
    if not isinstance(value, list):
        raise Refused(invalid("The 'image_urls' field must be an array of strings.", "image_urls"))
    if len(value) > MOST_REFERENCES:
        raise Refused(invalid(f"At most {MOST_REFERENCES} images are allowed.", "image_urls"))
    return tuple(_address(item, "image_urls") for item in value)


def _address(value: object, name: str) -> str:
    if not isinstance(value, str):
        raise Refused(invalid(f"The '{name}' field must hold strings.", name))
    if value.startswith(("http://", "https://")):
        if len(value) > LONGEST_ADDRESS:
            raise Refused(REFUSALS["invalid_image_url"])
        return _sound(value, name)
    # A data URL, or bare base64: either way a picture in the body, which this vendor never takes.
    if value.startswith("data:") or len(value) > LONGEST_ADDRESS:
        raise Refused(REFUSALS["base64_refused"])
    raise Refused(REFUSALS["invalid_image_url"])


def _mask(body: Mapping[str, object], image_urls: tuple[str, ...]) -> str | None:
    value = body.get("mask_url")
    if value is None:
        return None
    if not image_urls:
        raise Refused(invalid("mask_url must be used together with image_urls.", "mask_url"))
    return _address(value, "mask_url")


def _business_id(body: Mapping[str, object]) -> str | None:
    metadata = body.get("metadata")
    nested = metadata.get("client_business_id") if isinstance(metadata, dict) else None
    value = body.get("client_business_id", nested)
    if value is None:
        return None
    if not isinstance(value, str) or not 1 <= len(value) <= 128:  # noqa: PLR2004 - unpublished
        raise Refused(invalid("client_business_id is malformed.", "client_business_id"))
    return _sound(value, "client_business_id")
