"""``python -m grafana.source``: write the dashboards and the objectives' rules.

Owns: where the files lie. ``--check`` writes nothing, and exits with 1 if a file is not what it
should be.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path

from grafana.source import keys, overview, rules, runtime, tasks

ROOT = Path(__file__).resolve().parents[1]


def files() -> Mapping[Path, str]:
    """Every file that is made, and its text."""
    boards = (overview.dashboard(), tasks.dashboard(), keys.dashboard(), runtime.dashboard())
    found = {
        ROOT / "dashboards" / f"{board['uid']}.json": json.dumps(
            board, indent=2, ensure_ascii=False
        )
        + "\n"
        for board in boards
    }
    return {**found, ROOT / "prometheus" / "objectives.yml": rules.text()}


def main(arguments: list[str]) -> int:
    """Write what differs; say which files those are."""
    stale = [
        path
        for path, text in files().items()
        if not path.exists() or path.read_text("utf-8") != text
    ]
    for path in stale:
        sys.stdout.write(f"{path.relative_to(ROOT.parent)}\n")
        if "--check" not in arguments:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(files()[path], "utf-8")
    return 1 if stale and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
