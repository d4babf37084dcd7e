"""LiteLLM's functions for pictures, pointed at an OpenAI-like server.

Owns: how they are called and their answers told. Must not know: what is asked for.
"""

from typing import Any

from tests.clients.drivers.talk import imported, serve

litellm: Any = imported("litellm")


def call(command: dict[str, Any]) -> object:
    """One call, such as ``image_generation``."""
    where = command["client"]
    options = {"api_base": where["base_url"], "api_key": where["api_key"]}
    options |= {name: where[name] for name in ("timeout", "max_retries") if name in where}
    answer = getattr(litellm, command["method"])(**options, **command.get("args", {}))
    return {"value": answer.model_dump()}


if __name__ == "__main__":
    serve({"call": call})
