"""What a configuration offers: who may ask for what, at which price.

Owns: the way from configured sections to the terms that requests are served on: keys, model cards,
rules, prices. Must not know: the parts that serve, or when terms change.
"""

from collections.abc import Mapping

from gateway.access.keys import Keys
from gateway.config.sections import Config, Model
from gateway.config.signing import signing_keys
from gateway.openai.terms import Terms
from gateway.translate.model import QUALITIES, TIERS, ModelCard, Quality, SizePolicy, Tier
from gateway.translate.money import Prices
from gateway.translate.plan import Rules


def terms_of(config: Config) -> Terms:
    """What may change while the gateway runs, from the sections that say it."""
    return Terms(
        keys=Keys(config.keys),
        rules=rules(config),
        prices=prices(config.models),
        partial_results=config.requests.partial_results,
        webhook_secrets=webhook_secrets(config),
    )


def webhook_secrets(config: Config) -> Mapping[str, tuple[bytes, ...]]:
    """What each key's webhooks are signed with: its own secret, else that for all."""
    secrets = {key.name: key.webhook_secret or config.webhooks.secret for key in config.keys}
    return {
        name: signing_keys(secret.get_secret_value())
        for name, secret in secrets.items()
        if secret is not None
    }


def prices(models: Mapping[str, Model]) -> Prices:
    """Every price that the models' sections tell."""
    found: dict[tuple[str, Tier, Quality], int] = {}
    for name, model in models.items():
        for tier in TIERS:
            listed = getattr(model.prices, f"tier_{tier}")
            for quality in QUALITIES:
                price = getattr(listed, quality)
                if price is not None:
                    found[name, tier, quality] = price
    return found


def rules(config: Config) -> Rules:
    """The planner's rules, from the sections that say them."""
    strict = config.server.compatibility == "strict"
    sizes: SizePolicy = config.requests.sizes or ("strict" if strict else "exact")
    delivery = config.requests.response_format
    return Rules(
        models={name: card(name, model) for name, model in config.models.items()},
        default_model=config.requests.default_model,
        unknown_models=config.requests.unknown_models,
        sizes=sizes,
        strict=strict,
        delivery=None if delivery == "auto" else delivery,
    )


def card(name: str, model: Model) -> ModelCard:
    """A model card from its section."""
    return ModelCard(
        name=name,
        upstream_model=model.upstream_model,
        aliases=model.aliases,
        extended_sizes=model.extended_sizes,
        max_images_per_task=model.max_images_per_task,
        max_references=model.max_references,
        max_prompt=model.max_prompt,
        masks=model.masks,
        backgrounds=model.backgrounds,
        default_quality=model.default_quality,
    )
