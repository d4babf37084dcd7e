"""Where callers come in: listeners, HTTP's framing, and the transport below. No application."""
