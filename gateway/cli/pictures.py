"""A job's pictures on the shelf: where each lies, and copying them out.

Owns: their paths, names for people, and that no file is ever written over. Must not know: the
ledger, who may have them.
"""

import contextlib
import filecmp
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from gateway.config.sections import Images
from gateway.images.storage import EXTENSIONS
from gateway.state.records import JobRecord, PictureRecord


@dataclass(frozen=True, slots=True)
class Kept:
    """A picture, its number in the job (from 1), and its file if that is still there."""

    number: int
    name: str
    picture: PictureRecord
    path: Path

    @property
    def there(self) -> bool:
        """Whether the file is still on the shelf."""
        return self.path.is_file()


class Occupied(Exception):
    """Another file has the name that a picture would be given."""


def kept(job: JobRecord, images: Images) -> tuple[Kept, ...]:
    """A job's pictures in the order they were asked for, gone ones too."""
    shelf = Path(images.folder).absolute()
    found = []
    for number, picture in enumerate(job.pictures, 1):
        extension = {str(form): end for form, end in EXTENSIONS.items()}.get(picture.format, "bin")
        path = shelf / f"{picture.token}.{extension}"
        found.append(Kept(number, f"{job.job_id}-{number}.{extension}", picture, path))
    return tuple(found)


def copy(one: Kept, folder: Path) -> Path:
    """Copy a picture into a folder under its readable name; a copy that is there already is kept.

    Raises: Occupied, OSError (FileNotFoundError where it is no longer on the shelf).
    """
    target = folder / one.name
    with one.path.open("rb") as source:
        try:
            written = target.open("xb")
        except FileExistsError as error:
            if target.is_file() and filecmp.cmp(one.path, target, shallow=False):
                return target
            raise Occupied(str(target)) from error
        try:
            with written:
                shutil.copyfileobj(source, written)
                written.flush()
                os.fsync(written.fileno())
        except BaseException:
            with contextlib.suppress(OSError):
                target.unlink()
            raise
    return target
