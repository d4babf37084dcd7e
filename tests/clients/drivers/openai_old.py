"""The official Python SDK before 1.0: functions of a module, and dictionaries.

Owns: how its methods are called and its answers told. Must not know: what is asked for.
"""

from typing import Any

from tests.clients.drivers.talk import imported, serve

openai: Any = imported("openai")


def call(command: dict[str, Any]) -> object:
    """One call, such as ``Image.create``."""
    kind, name = command["method"].split(".")
    where = command["client"]
    method = getattr(getattr(openai, kind), name)
    options = {"api_base": where["base_url"], "api_key": where["api_key"]}
    if "timeout" in where:
        options["request_timeout"] = where["timeout"]
    answer = method(*command.get("words", ()), **options, **command.get("args", {}))
    return {"value": answer.to_dict_recursive()}


if __name__ == "__main__":
    serve({"call": call})
