"""Pillow's readers of the four formats, and the border behind which they meet hostile files.

Owns: which readers there are, what they leave unbounded, and ``Damaged``. Must not know: any bound
an operator sets, nor what is read.

They are called directly, not through ``Image.open``, which warns of sizes by a bound of its own and
takes a phone's JPEG with a second picture behind it for another format.
"""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from PIL import Image, ImageFile, PngImagePlugin
from PIL.GifImagePlugin import GifImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.WebPImagePlugin import WebPImageFile

_READS = 400_000  # a GIF of 50 MB takes two for each of its 196,000 blocks
_TEXT_BYTES = 2**23  # Pillow's own bound lets 60 kB of a PNG become 240 MB


class Damaged(Exception):
    """The file is cut off, contradicts its format, or is built to keep a reader busy."""


class Oversized(Damaged):
    """The file claims more pixels than Pillow makes ready for when it reads a header."""


def settle() -> None:
    """Set what Pillow knows for a whole process only; to be called before files come in.

    Its warnings about what strangers' files hold are silenced once and for all, for to do so around
    each file would change the filters of every other thread.
    """
    warnings.filterwarnings("ignore", module=r"PIL\.")
    PngImagePlugin.MAX_TEXT_MEMORY = _TEXT_BYTES


@contextmanager
def opened(path: str | Path, media_type: str) -> Iterator[tuple[ImageFile.ImageFile, BinaryIO]]:
    """Open a file with its format's reader; within, too, every fault of the file is ``Damaged``."""
    with border(), _Patient(path) as file, _READERS[media_type](file) as image:
        yield image, file


@contextmanager
def border() -> Iterator[None]:
    """Make whatever Pillow raises about a file's content one error of ours."""
    try:
        yield
    except Damaged:
        raise
    except Image.DecompressionBombError as fault:
        raise Oversized("it has too many pixels") from fault
    except Exception as fault:  # on hostile bytes Pillow raises nearly anything
        if isinstance(fault, MemoryError) or getattr(fault, "errno", None) is not None:
            raise  # the machine's fault, not the file's: Pillow's own carry no number
        raise Damaged("it is damaged or incomplete") from fault


class _Patient(io.BufferedReader):
    """A file read in a bounded number of steps.

    Pillow walks any number of chunks, blocks and segments: 50 MB of empty ones keep it for 20
    seconds.
    """

    def __init__(self, path: str | Path) -> None:
        super().__init__(io.FileIO(path))
        self._left = _READS

    def read(self, size: int | None = -1, /) -> bytes:
        self._left -= 1
        if self._left < 0:
            raise Damaged("it has too many parts")
        return io.BufferedReader.read(self, size)  # super() takes a third longer


class _Info(dict[str | tuple[int, int], Any]):
    """A picture's metadata, into which EXIF data goes once."""

    def __setitem__(self, key: str | tuple[int, int], value: object) -> None:
        if key != "exif" or key not in self:
            super().__setitem__(key, value)


class _Jpeg(JpegImageFile):
    """Keeps the first segment of EXIF data; Pillow joins all, in time that grows as the square."""

    def _open(self) -> None:
        self.info = _Info()
        super()._open()


class _Gif(GifImageFile):
    """Never disposes of its first frame; Pillow paints a screen for that with the header."""

    @property
    def disposal_method(self) -> int:
        return 0

    @disposal_method.setter
    def disposal_method(self, method: int) -> None:
        pass


_READERS: dict[str, type[ImageFile.ImageFile]] = {
    "image/png": PngImagePlugin.PngImageFile,
    "image/jpeg": _Jpeg,
    "image/webp": WebPImageFile,
    "image/gif": _Gif,
}
