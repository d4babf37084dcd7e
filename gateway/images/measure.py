"""What a picture's own bytes say is wrong with it.

Owns: the refusal of a picture. Must not know: parameters, or how callers are told.
"""


class BadPicture(Exception):
    """The bytes are no picture that can be used; ``code`` names the fault for programs."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
