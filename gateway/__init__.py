"""An image gateway: OpenAI's Images API in front of an asynchronous, paid task API."""

__version__ = "0.1.0"
