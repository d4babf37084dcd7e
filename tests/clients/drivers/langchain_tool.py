"""LangChain's tool for pictures, from ``langchain-community``.

Owns: how it is made and run. Must not know: what is asked for.
"""

from typing import Any

from tests.clients.drivers.talk import imported, serve

tools: Any = imported("langchain-community", "langchain_community.utilities.dalle_image_generator")


def run(command: dict[str, Any]) -> object:
    """What an agent would be told: addresses, one a line."""
    wrapper = tools.DallEAPIWrapper(**command["client"], **command.get("args", {}))
    return {"value": wrapper.run(command["prompt"])}


if __name__ == "__main__":
    serve({"call": run})
