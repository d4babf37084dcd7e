"""Plans for the tests of the job layer."""

from dataclasses import replace
from typing import Any

from gateway.translate.model import ImageRequest, ModelCard, Plan
from gateway.translate.plan import Rules, make_plan

CARD = ModelCard("gpt-image-2", "official")
RULES = Rules(models={CARD.name: CARD}, default_model=CARD.name)
REQUEST = ImageRequest("generation", "a lighthouse", size="1024x1024")


def a_plan(n: int = 1, **changes: Any) -> Plan:
    return make_plan(replace(REQUEST, n=n, **changes), RULES)
