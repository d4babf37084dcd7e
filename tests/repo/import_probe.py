"""Import every module of a package and print what that does to the world, one line a deed.

Run as a program of its own: ``python import_probe.py FOLDER PACKAGE``. Everything is imported
twice: first freely, so that libraries have done what they do on arrival, then again under watch,
so that what is seen is the package's own doing.
"""

import importlib
import os
import pkgutil
import sys
import threading
from collections.abc import Iterator, MutableMapping
from pathlib import Path
from types import FrameType

DEEDS = (
    "socket.",
    "subprocess.",
    "os.system",
    "os.exec",
    "os.fork",
    "os.posix_spawn",
    "os.mkdir",
    "os.remove",
    "os.rename",
    "os.rmdir",
    "os.link",
    "os.symlink",
    "os.truncate",
    "os.putenv",
    "os.unsetenv",
    "shutil.",
    "tempfile.",
    "sqlite3.connect",
    "signal.",
)
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_TRUNC


class Watch:
    """What was done while ``package`` was being imported."""

    def __init__(self, package: str) -> None:
        self.package = package
        self.importing: str | None = None

    def tell(self, deed: str) -> None:
        if self.importing is not None:
            sys.stdout.write(f"{self.importing}: {deed}\n")

    def audit(self, event: str, args: tuple[object, ...]) -> None:
        if event == "open":
            flags = args[2]
            if isinstance(flags, int) and flags & WRITING:
                self.tell(f"opens {args[0]!r} for writing")
        elif event.startswith(DEEDS):
            self.tell(event)

    def is_ours(self, frame: FrameType | None) -> bool:
        """Whether the first frame outside the standard library belongs to the package."""
        while frame is not None:
            name = str(frame.f_globals.get("__name__", ""))
            top = name.partition(".")[0]
            if top == self.package:
                return True
            if top not in sys.stdlib_module_names and top != "__main__":
                return False
            frame = frame.f_back
        return False


class WatchedEnvironment(MutableMapping[str, str]):
    """The environment; telling of each look the package takes at it."""

    def __init__(self, real: MutableMapping[str, str], watch: Watch) -> None:
        self._real = real
        self._watch = watch

    def _told(self) -> MutableMapping[str, str]:
        if self._watch.is_ours(sys._getframe(2)):
            self._watch.tell("looks at the environment")
        return self._real

    def __getitem__(self, name: str) -> str:
        return self._told()[name]

    def __setitem__(self, name: str, value: str) -> None:
        self._told()[name] = value

    def __delitem__(self, name: str) -> None:
        del self._told()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._told())

    def __len__(self) -> int:
        return len(self._told())


class WatchedThread(threading.Thread):
    """A thread whose start is told."""

    watch: Watch

    def start(self) -> None:
        self.watch.tell("starts a thread")
        super().start()


def names(folder: Path, package: str) -> list[str]:
    found = pkgutil.walk_packages([str(folder / package)], f"{package}.")
    return [package, *(module.name for module in found)]


def main(folder: Path, package: str) -> None:
    sys.path.insert(0, str(folder))
    sys.dont_write_bytecode = True
    every = names(folder, package)
    for name in every:
        importlib.import_module(name)
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        del sys.modules[name]

    watch = Watch(package)
    WatchedThread.watch = watch
    threading.Thread = WatchedThread  # type: ignore[misc]
    os.environ = WatchedEnvironment(os.environ, watch)  # type: ignore[assignment]  # noqa: B003
    sys.addaudithook(watch.audit)
    for name in every:
        watch.importing = name
        importlib.import_module(name)
        watch.importing = None
    sys.stdout.write(f"imported {len(every)} modules\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
