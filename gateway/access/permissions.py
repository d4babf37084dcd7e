"""What a key may ask for: models, the largest tier, the highest quality, how many pictures.

Owns: the comparison of a plan with its key, and the words of a refusal. Pure. Must not know: HTTP,
how a plan is made, limits (``limits.py``).
"""

from dataclasses import replace

from gateway.access.keys import Key
from gateway.errors import InvalidRequest, NotPermitted
from gateway.translate.model import QUALITIES, TIERS, ModelCard, Plan
from gateway.translate.plan import Rules


def rules_for(key: Key, rules: Rules) -> Rules:
    """The planner's rules for this key: who names no quality gets none beyond what it may."""
    if key.max_quality is None:
        return rules
    return replace(rules, models={name: _eased(card, key) for name, card in rules.models.items()})


def visible(key: Key, rules: Rules) -> dict[str, ModelCard]:
    """The models that this key may ask for, in their order."""
    return {
        name: card for name, card in rules.models.items() if not key.models or name in key.models
    }


def check(key: Key, plan: Plan) -> None:
    """Compare a plan with what its key may. Raises: NotPermitted, InvalidRequest."""
    if key.models and plan.model not in key.models:
        message = (
            f"This key may not use the model '{plan.model}'. It may use: {', '.join(key.models)}."
        )
        raise NotPermitted(message, param="model", code="permission_denied")
    if key.max_tier is not None and TIERS.index(plan.tier) > TIERS.index(key.max_tier):
        message = (
            f"Invalid size: it needs the {plan.tier} tier, and the largest that this key may ask "
            f"for is {key.max_tier}."
        )
        raise InvalidRequest(message, param="size", code="invalid_value")
    most = key.max_quality
    if most is not None and QUALITIES.index(plan.quality) > QUALITIES.index(most):
        message = (
            f"Invalid quality: this is '{plan.quality}', and the highest that this key may ask for "
            f"is '{most}'."
        )
        raise InvalidRequest(message, param="quality", code="invalid_value")
    if key.max_n is not None and plan.n > key.max_n:
        message = f"Invalid 'n': this key may ask for at most {key.max_n} at once, not {plan.n}."
        raise InvalidRequest(message, param="n", code="integer_above_max_value")


def _eased(card: ModelCard, key: Key) -> ModelCard:
    most = key.max_quality or card.default_quality
    return replace(card, default_quality=min(card.default_quality, most, key=QUALITIES.index))
