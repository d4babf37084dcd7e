"""What the process is given besides its settings, by whoever started it.

Owns: the variables that say so. Like settings, they are read here and nowhere else. Must not know:
what is done with what they say.
"""

import os
from collections.abc import Mapping

FAILPOINTS = "GATEWAY_FAILPOINTS"


def failpoints(environ: Mapping[str, str] | None = None) -> str:
    """Return the script of fail-points, empty without one; ``environ`` None is the process's."""
    return (os.environ if environ is None else environ).get(FAILPOINTS, "")
