"""Who is an operator.

Owns: the comparison of what a request shows with the operators' token. Must not know: what is
guarded by it. Without a token everybody is one: then the listener is on the loopback interface.
"""

import hmac

from starlette.requests import Request


def shows(request: Request, token: str | None) -> bool:
    """Whether a request comes with the token, if there is one."""
    if token is None:
        return True
    shown = request.headers.get("authorization", "")
    return hmac.compare_digest(shown.encode(), f"Bearer {token}".encode())
