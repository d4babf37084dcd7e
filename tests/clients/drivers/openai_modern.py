"""The official Python SDK since 1.0, in whichever version its environment has.

Owns: how its methods are called and its answers told. Must not know: what is asked for.
"""

import json
from functools import cache
from typing import Any

from tests.clients.drivers.talk import imported, said, serve

openai: Any = imported("openai")


@cache
def _client(kind: str, options: str) -> Any:
    return getattr(openai, kind)(**json.loads(options))


def _called(command: dict[str, Any]) -> Any:
    kind = command.get("kind", "OpenAI")
    target = _client(kind, json.dumps(command["client"], sort_keys=True))
    *path, name = command["method"].split(".")
    for part in [*path, *(["with_raw_response"] if command.get("raw") else []), name]:
        target = getattr(target, part)
    return target(*command.get("words", ()), **command.get("args", {}))


def _plain(value: Any) -> object:
    if hasattr(value, "to_dict") and not hasattr(value, "iter_pages"):
        return value.to_dict()
    return [_plain(one) for one in value]


def call(command: dict[str, Any]) -> object:
    """One call; with ``raw`` its headers and status are told, too."""
    answer = _called(command)
    told: dict[str, object] = {}
    if command.get("raw"):
        raw, answer = answer, answer.parse()
        told = {"headers": dict(raw.headers), "status": raw.status_code}
    return {**told, "value": _plain(answer), "request_id": getattr(answer, "_request_id", None)}


def stream(command: dict[str, Any]) -> object:
    """What iterating over a stream yields, and what ended it."""
    events: list[object] = []
    answer = _called(command)
    try:
        events.extend({"class": type(event).__name__, **event.to_dict()} for event in answer)
    except Exception as error:  # noqa: BLE001 - whoever asked is told, whatever it is
        return {"events": events, "error": said(error)}
    return {"events": events, "error": None}


if __name__ == "__main__":
    serve({"call": call, "stream": stream})
