"""The vendor's JSON: an accepted task, a task's state, a finished task in each of its shapes.

Owns: keys and types of what is told about a task, per setting. Must not know: HTTP, files, time's
passing (the caller gives ``now``). Held to the recordings in ``tests/wire``.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from gateway.simulator.settings import VOCABULARIES, Settings
from gateway.simulator.tasks import CREDITS_PER_USD, Phase, Task

Json = dict[str, object]
_PHASES: tuple[Phase, ...] = ("waiting", "working", "done", "failed")


@dataclass(frozen=True, slots=True)
class Shown:
    """A finished picture as an answer shows it; ``base64`` is empty unless the shape needs it."""

    url: str
    base64: str = ""


def _urls(shown: Sequence[Shown]) -> list[object]:
    return [{"url": item.url} for item in shown]


def _base64(shown: Sequence[Shown]) -> list[object]:
    return [{"b64_json": item.base64} for item in shown]


def _plain(shown: Sequence[Shown]) -> list[object]:
    return [item.url for item in shown]


def _first(shown: Sequence[Shown]) -> str | None:
    return shown[0].url if shown else None


_RESULTS: Mapping[str, Callable[[Sequence[Shown]], Json]] = {
    "data_urls": lambda shown: {"result": {"type": "image", "data": _urls(shown)}},
    "data_strings": lambda shown: {"result": {"type": "image", "data": _plain(shown)}},
    "data_base64": lambda shown: {"result": {"type": "image", "data": _base64(shown)}},
    "url": lambda shown: {"url": _first(shown)},
    "result_url": lambda shown: {"result": {"type": "image", "url": _first(shown)}},
    "result_object": lambda shown: {"result": {"type": "image", "data": {"url": _first(shown)}}},
    "top_data_urls": lambda shown: {"data": _urls(shown)},
    "top_data_base64": lambda shown: {"data": _base64(shown)},
    "output": lambda shown: {"output": _plain(shown)},
    "outputs": lambda shown: {"outputs": _plain(shown)},
    "images": lambda shown: {"images": _urls(shown)},
    "result_images": lambda shown: {"result": {"images": [{"url": [s.url]} for s in shown]}},
    "output_results": lambda shown: {"output": {"results": _urls(shown)}},
}

NEEDS_BYTES = frozenset({"data_base64", "top_data_base64"})
"""Result shapes that carry the pictures themselves."""


def announcement(task: Task, settings: Settings) -> Json:
    """Answer an accepted create, unless the task is already over."""
    body: Json = {
        "id": task.id,
        "object": "generation.task",
        "model": task.order.model,
        "status": VOCABULARIES[settings.vocabulary][0],
        "progress": _progress(0, settings),
        "created_at": int(task.created_at),
        "metadata": {},
    }
    if settings.creation == "task_id":
        body["task_id"] = body.pop("id")
    elif settings.creation == "both":
        body["task_id"] = task.id
    elif settings.creation == "video":
        body |= {"task_id": task.id, "object": "video", "status": ""}
    return body | _business_id(task)


def openai_answer(task: Task, shown: Sequence[Shown]) -> Json:
    """Answer a create as OpenAI does, with the pictures at once and no id."""
    return {"created": int(task.created_at), "data": _urls(shown)}


def report(
    task: Task, settings: Settings, phase: Phase, percent: int, shown: Sequence[Shown]
) -> Json:
    """Answer a status query. ``shown`` is empty unless the task is done."""
    body: Json = {
        "id": task.id,
        "object": "generation.task",
        "model": task.order.model,
        "status": _word(task, settings, phase),
        "progress": _progress(percent, settings),
        "created_at": int(task.created_at),
    }
    body |= _business_id(task)
    if phase in {"done", "failed"} and settings.billing:
        body["billing"] = _billing(task, phase)
    if phase == "done":
        body |= _finished(task, settings, shown)
    elif phase == "failed":
        body |= _failed(task, settings)
    return body


def event(task: Task, now: float, shown: Sequence[Shown]) -> Json:
    """Tell of a task's end, as webhooks do: with words of their own, in one form whatever is set.

    A task has one event, so its id is made of the task's.
    """
    done = task.phase(now) == "done"
    ended = int(task.created_at + task.whole)
    data: Json = {
        "task_id": task.id,
        "client_business_id": task.order.client_business_id,
        "task_type": "image",
        "model": task.order.model,
        "status": "SUCCESS" if done else "FAILURE",
        "progress": "100%",
        "result": {"type": "image", "data": _urls(shown)} if done else None,
        "error": None if done else {"code": task.fate.code, "message": task.fate.message},
        "submitted_at": int(task.created_at),
        "finished_at": ended,
    }
    name = task.id.removeprefix("tsk_img_")
    return _event(f"evt_{name}", f"generation.{'completed' if done else 'failed'}", ended, data)


def trial(name: str, made: int) -> Json:
    """Tell nothing: what is sent to see whether a webhook's address answers."""
    return _event(name, "endpoint.test", made, {})


def _event(name: str, kind: str, made: int, data: Json) -> Json:
    return {"id": name, "type": kind, "api_version": "v1", "created_at": made, "data": data}


def _word(task: Task, settings: Settings, phase: Phase) -> str:
    if phase in {"done", "failed"} and task.fate.word is not None:
        return task.fate.word
    return VOCABULARIES[settings.vocabulary][_PHASES.index(phase)]


def _progress(percent: int, settings: Settings) -> object:
    return percent if settings.progress == "number" else f"{percent}%"


def _business_id(task: Task) -> Json:
    name = task.order.client_business_id
    return {} if name is None else {"client_business_id": name}


def _billing(task: Task, phase: Phase) -> Json:
    if phase == "failed":
        return {"status": "refunded", "credits": "0", "cost_usd": "0"}
    cost = f"{task.credits / CREDITS_PER_USD:.4f}".rstrip("0").rstrip(".")
    return {"status": "settled", "credits": str(task.credits), "cost_usd": cost}


def _finished(task: Task, settings: Settings, shown: Sequence[Shown]) -> Json:
    completed = int(task.created_at + task.whole)
    body: Json = {
        "completed_at": completed,
        "expires_at": completed + int(settings.link_lifetime),
    }
    return body | _RESULTS[settings.result](shown) if task.fate.links else body


def _failed(task: Task, settings: Settings) -> Json:
    fate = task.fate
    if settings.failure == "bare":
        return {}
    if settings.failure == "fail_reason" or fate.reason_only:
        return {"fail_reason": fate.message}
    if settings.failure == "text":
        return {"error": fate.message}
    return {"error": {"code": fate.code, "message": fate.message}}
