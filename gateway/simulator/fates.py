"""How an accepted task may end other than well.

Owns: the named ends a fault script can choose at a create, with the vendor's words for them. Must
not know: scripts, HTTP. Source: the reference's table of failures seen in finished tasks.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of a task.

    ``message`` is None where it succeeds. ``word`` replaces the vocabulary's word for the end.
    ``pictures`` is added to the number asked; ``links`` false leaves them out of the answer.
    ``forever`` never ends, ``at_once`` ends within the create, ``longer`` takes the fault's
    seconds (divided by no speed). ``progress`` is what a failed task says it had reached.
    """

    message: str | None = None
    code: str = "generation_failed"
    word: str | None = None
    reason_only: bool = False
    pictures: int = 0
    links: bool = True
    forever: bool = False
    at_once: bool = False
    longer: bool = False
    progress: int = 0


WELL = Fate()

FATES: Mapping[str, Fate] = {
    "stuck": Fate(forever=True),
    "slow": Fate(longer=True),
    "at_once": Fate(at_once=True),
    "fewer": Fate(pictures=-1),
    "more": Fate(pictures=1),
    "no_links": Fate(links=False),
    "moderated": Fate(
        "call upstream API failed: image_unsafe: generated images appear to be unsafe"
    ),
    "moderated_policy": Fate(
        'upstream error: {"error":{"code":"content_policy_violation","message":"Your request was '
        'rejected by the safety system."}}'
    ),
    "moderated_zh": Fate("图片内容违规，审核未通过", progress=100),  # noqa: RUF001 - Chinese
    "moderated_422": Fate("call upstream API failed: upstream returned status 422"),
    "bad_parameter": Fate("InvalidParameter: size is not supported", code="InvalidParameter"),
    "bad_reference": Fate("invalid image_url: failed to download the reference image"),
    "upstream_500": Fate("call upstream API failed: upstream returned status 500"),
    "upstream_garbled": Fate("decode response failed: unexpected end of JSON input"),
    "upstream_timeout": Fate("upstream API failed: timeout awaiting response headers"),
    "failed": Fate("Generation failed."),
    "failed_zh": Fate("任务失败，请联系管理员"),  # noqa: RUF001 - Chinese
    "failed_by_reason": Fate("provider error", reason_only=True),
    "cancelled": Fate("Task was cancelled.", word="cancelled"),
    "expired_task": Fate("Task expired.", word="expired"),
}
"""Every fate by the name a script uses."""
