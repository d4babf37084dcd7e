"""From a request to a plan: what to buy, what to do to it here, and what to tell the caller.

Owns: models by name, quality, background, format, the split into tasks, and the default delivery.
Must not know: HTTP, the vendor's wire shape, any I/O. Every adjustment is a note, or the request is
refused with the parameter's name; nothing is clamped in silence.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from gateway.errors import InvalidRequest, ModelNotFound, UnmakeableImage
from gateway.translate.model import (
    QUALITIES,
    TIERS,
    Delivery,
    Finish,
    Format,
    ImageRequest,
    ModelCard,
    Note,
    Plan,
    Quality,
    SizePolicy,
    TaskSpec,
    Tier,
    note,
)
from gateway.translate.sizes import Fit, fit_pixels, fit_ratio, read_pixels, read_ratio

_FAMILIES = ("gpt-image-", "chatgpt-image-", "dall-e-")
_MAPPED_QUALITY: dict[str, Quality] = {
    "standard": "medium",
    "hd": "high",
    "xhigh": "high",
    "max": "high",
}
_OLD_QUALITIES = frozenset({"standard", "hd"})
_BACKGROUNDS = ("auto", "opaque", "transparent")
_DEFAULT_TIER: Tier = "1k"


@dataclass(frozen=True, slots=True)
class Rules:
    """The operator's choices that planning depends on.

    ``delivery`` None follows the model's name; ``models`` are keyed by their canonical name.
    """

    models: Mapping[str, ModelCard]
    default_model: str
    unknown_models: Literal["family", "refuse"] = "family"
    sizes: SizePolicy = "exact"
    strict: bool = False
    delivery: Delivery | None = None


def make_plan(request: ImageRequest, rules: Rules) -> Plan:
    """Plan a request.

    Raises: InvalidRequest (or UnmakeableImage) naming the parameter; ModelNotFound.
    """
    card, model_notes = find_model(request.requested_model, rules)
    _check_against(card, request)
    quality, quality_notes = _quality(request, card, rules)
    fit = _fit(request, card, rules)
    finish = _finish(request, fit)
    task = _task(request, card, fit, finish, quality)
    return Plan(
        kind=request.kind,
        model=card.name,
        requested_model=request.requested_model,
        tasks=tuple(replace(task, n=n) for n in split(request.n, card.max_images_per_task)),
        finish=finish,
        bought=None if fit.ratio == "auto" else fit.bought,
        promised=finish.pixels if fit.ratio != "auto" else None,
        delivery=request.response_format or rules.delivery or default_delivery(request),
        safety_identifier=request.safety_identifier,
        notes=(*request.notes, *model_notes, *quality_notes, *fit.notes),
    )


def find_model(requested: str | None, rules: Rules) -> tuple[ModelCard, tuple[Note, ...]]:
    """The card a name leads to: canonical, alias, family, in this order. Raises: ModelNotFound."""
    if requested is None:
        return _card(rules.default_model, rules), ()
    name = requested.removeprefix("openai/")
    if name in rules.models:
        return rules.models[name], ()
    for card in rules.models.values():
        if name in card.aliases:
            return card, (note("model-alias", requested=name, actual=card.name),)
    if rules.unknown_models == "family" and name.startswith(_FAMILIES):
        card = _card(rules.default_model, rules)
        return card, (note("model-family", requested=name, actual=card.name),)
    message = f"The model '{requested}' does not exist or you do not have access to it."
    raise ModelNotFound(message, code="model_not_found")


def split(n: int, most: int) -> tuple[int, ...]:
    """How many images each task makes: ``split(10, 4) == (4, 4, 2)``."""
    whole, rest = divmod(n, most)
    return (most,) * whole + ((rest,) if rest else ())


def default_delivery(request: ImageRequest) -> Delivery:
    """What a caller who did not say wants back: DALL-E names and no name expect links."""
    return "url" if _is_old(request) else "b64_json"


def _is_old(request: ImageRequest) -> bool:
    """Whether the caller speaks as to the DALL-E models, which were meant where none is named."""
    name = (request.requested_model or "").removeprefix("openai/")
    return not name or name.startswith("dall-e-")


def _card(name: str, rules: Rules) -> ModelCard:
    for card in rules.models.values():
        if name == card.name or name in card.aliases:
            return card
    raise ModelNotFound(f"The model '{name}' is not configured.", code="model_not_found")


def _check_against(card: ModelCard, request: ImageRequest) -> None:
    if len(request.prompt) > card.max_prompt:
        message = (
            f"Invalid 'prompt': string too long. Expected a string with maximum length "
            f"{card.max_prompt}, but got a string with length {len(request.prompt)} instead."
        )
        raise InvalidRequest(message, param="prompt", code="string_above_max_length")
    if len(request.references) > card.max_references:
        message = f"This model takes at most {card.max_references} images."
        raise InvalidRequest(message, param="image", code="array_above_max_length")
    if request.mask is not None and not card.masks:
        raise UnmakeableImage(
            "A mask is not supported for this model.", param="mask", code="invalid_value"
        )


def _quality(
    request: ImageRequest, card: ModelCard, rules: Rules
) -> tuple[Quality, tuple[Note, ...]]:
    asked = request.quality
    if asked is None or asked == "auto":
        return card.default_quality, ()
    for quality in QUALITIES:
        if asked == quality:
            return quality, ()
    known = not rules.strict or (asked in _OLD_QUALITIES and _is_old(request))
    if known and asked in _MAPPED_QUALITY:
        mapped = _MAPPED_QUALITY[asked]
        return mapped, (note("quality-mapped", requested=asked, actual=mapped),)
    message = (
        f"Invalid value: '{asked}'. Supported values are: 'low', 'medium', 'high', and 'auto'."
    )
    raise InvalidRequest(message, param="quality", code="invalid_value")


def _fit(request: ImageRequest, card: ModelCard, rules: Rules) -> Fit:
    """What serves the wanted size; ``ratio="auto"`` leaves the choice to the vendor."""
    tier = _tier(request.resolution)
    size = request.size or _default_size(request)
    if size == "auto":
        return Fit("auto", tier or _DEFAULT_TIER, (0, 0), (0, 0))
    if read_ratio(size) is not None and rules.sizes != "strict":
        return fit_ratio(size, tier or _DEFAULT_TIER, extended=card.extended_sizes)
    pixels = read_pixels(size)
    if pixels is None:
        message = (
            f"Invalid value: '{size}'. Expected 'auto', a size such as '1024x1024' or a ratio."
        )
        raise InvalidRequest(message, param="size", code="invalid_value")
    fit = fit_pixels(pixels, rules.sizes, extended=card.extended_sizes)
    if tier is not None and tier != fit.tier and request.size is not None:
        ignored = note("parameter-ignored", name="resolution", because="size is in pixels")
        return Fit(fit.ratio, fit.tier, fit.bought, fit.promised, (*fit.notes, ignored))
    return fit


def _default_size(request: ImageRequest) -> str:
    """A missing size: ``auto`` for today's names, the old square for DALL-E names and no name.

    A resolution without a size asks for a tier, so the vendor's own choice of ratio stands.
    """
    if request.resolution is None and _is_old(request):
        return "1024x1024"
    return "auto"


def _tier(resolution: str | None) -> Tier | None:
    if resolution is None:
        return None
    for tier in TIERS:
        if resolution.lower() == tier:
            return tier
    message = f"Invalid value: '{resolution}'. Supported values are: '1k', '2k', and '4k'."
    raise InvalidRequest(message, param="resolution", code="invalid_value")


def _finish(request: ImageRequest, fit: Fit) -> Finish:
    wanted: Format = request.output_format or "png"
    compression = request.output_compression if wanted != "png" else None
    return Finish(None if fit.ratio == "auto" else fit.promised, wanted, compression)


def _made_here(finish: Finish, fit: Fit) -> bool:
    """Whether the result is encoded on this side: then the vendor is asked for a lossless one."""
    return finish.format == "webp" or (fit.ratio != "auto" and fit.bought != fit.promised)


def _background(request: ImageRequest, card: ModelCard) -> str | None:
    asked = request.background
    if asked is None or asked == "auto":
        return None
    if asked not in _BACKGROUNDS:
        known = "'auto', 'opaque', and 'transparent'"
        message = f"Invalid value: '{asked}'. Supported values are: {known}."
        raise InvalidRequest(message, param="background", code="invalid_value")
    if asked in card.backgrounds:
        if asked == "transparent" and request.output_format == "jpeg":
            message = "A transparent background needs output_format 'png' or 'webp'."
            raise UnmakeableImage(message, param="background", code="invalid_value")
        return asked
    if asked == "transparent":
        message = "Transparent background is not supported for this model."
        raise UnmakeableImage(message, param="background", code="invalid_value")
    # Opaque is what a model without the parameter makes anyway.
    return None


def _task(
    request: ImageRequest, card: ModelCard, fit: Fit, finish: Finish, quality: Quality
) -> TaskSpec:
    """The task that every part of the plan is a copy of, with ``n`` still the whole request's."""
    encoded_there = finish.format == "jpeg" and not _made_here(finish, fit)
    return TaskSpec(
        upstream_model=card.upstream_model,
        prompt=request.prompt,
        ratio=fit.ratio,
        tier=fit.tier,
        quality=quality,
        output_format="jpeg" if encoded_there else "png",
        output_compression=finish.compression if encoded_there else None,
        n=request.n,
        background=_background(request, card),
        references=request.references,
        mask=request.mask,
    )
