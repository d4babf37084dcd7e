"""A request's pictures, checked and made ready before anything is paid for.

Owns: the order of the checks (addresses, measures, the mask's rules, whole decodes, preparation)
and naming the picture at fault. Must not know: how pictures are decoded or fetched; those are
two protocols, which ``images`` and ``web`` fulfil.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from gateway.errors import InvalidRequest, UnmakeableImage
from gateway.images.measure import BadPicture
from gateway.openai.references import Address, Source, Sources, Spooled
from gateway.openai.spool import Spool
from gateway.translate.model import Note, Picture, Reference, RemotePicture


class PictureDesk(Protocol):
    """Looks at pictures in files. All methods raise ``BadPicture``."""

    async def measure(self, path: str) -> Picture:
        """Sniff and measure, from the head of the file alone."""
        ...

    async def verify(self, picture: Picture) -> Picture:
        """Decode the whole picture once; the picture, with its transparency told."""
        ...

    async def prepare(
        self, picture: Picture, *, keep_pixels: bool, is_mask: bool, folder: str
    ) -> tuple[Picture, tuple[Note, ...]]:
        """Make it fit to be sent on; new files go to ``folder``."""
        ...


class RemotePolicy(Protocol):
    """Which addresses may be used; both raise ``InvalidRequest`` that names no parameter."""

    def check(self, url: str) -> None:
        """Refuse what is not a public https address."""
        ...

    async def fetch(self, url: str, path: str) -> None:
        """Download to a new file at ``path``, within bounds."""
        ...


@dataclass(frozen=True, slots=True)
class Gathered:
    """Pictures ready to be sent on, in the caller's order, and what was done to them."""

    references: tuple[Reference, ...] = ()
    mask: Picture | None = None
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True, slots=True)
class Gatherer:
    """Turns sources into references."""

    desk: PictureDesk
    remote: RemotePolicy
    spool: Spool

    async def gather(self, sources: Sources) -> Gathered:
        """Check all pictures, then make them ready.

        Raises ``InvalidRequest`` or ``UnmakeableImage``, which name the picture at fault.
        """
        references = list(sources.references)
        for source in (*references, sources.mask):
            if isinstance(source, Address):
                with _placed_at(source.param):
                    self.remote.check(source.url)
        if sources.mask is not None:
            # The mask is compared with picture 1, so both must be here to be measured.
            references[0] = await self._fetched(references[0])
        measured = [
            (label, await self._measured(label, source))
            for label, source in zip(_labels(references), references, strict=True)
        ]
        mask = None
        if sources.mask is not None:
            mask = await self._look("mask", await self._fetched(sources.mask))
            _check_mask(mask, measured[0][1])
        return await self._ready(measured, mask)

    async def _fetched(self, source: Source) -> Spooled:
        if isinstance(source, Spooled):
            return source
        file = self.spool.new()
        await self.spool.folder()
        with _placed_at(source.param):
            await self.remote.fetch(source.url, file.path)
        return Spooled(file.path)

    async def _measured(self, label: str, source: Source) -> Reference:
        if isinstance(source, Address):
            return RemotePicture(source.url)
        return await self._look(label, source)

    async def _look(self, label: str, file: Spooled) -> Picture:
        with _blamed_on(label):
            return await self.desk.measure(file.path)

    async def _ready(self, measured: list[tuple[str, Reference]], mask: Picture | None) -> Gathered:
        """Verify all before preparing any: preparing is the dearer."""
        for label, picture in [*measured, *([("mask", mask)] if mask else [])]:
            if isinstance(picture, Picture):
                with _blamed_on(label):
                    await self.desk.verify(picture)
        notes: list[Note] = []
        keep = mask is not None
        references: list[Reference] = []
        for label, picture in measured:
            if isinstance(picture, Picture):
                references.append(await self._prepared(label, picture, keep=keep, notes=notes))
            else:
                references.append(picture)
            keep = False  # the mask lies over picture 1 alone
        if mask:
            mask = await self._prepared("mask", mask, keep=True, notes=notes)
        return Gathered(tuple(references), mask, tuple(notes))

    async def _prepared(
        self, label: str, picture: Picture, *, keep: bool, notes: list[Note]
    ) -> Picture:
        with _blamed_on(label):
            prepared, made = await self.desk.prepare(
                picture,
                keep_pixels=keep,
                is_mask=label == "mask",
                folder=await self.spool.folder(),
            )
        notes += made
        return prepared


def _labels(references: Sequence[Source]) -> list[str]:
    """How each picture is called in a refusal."""
    if len(references) == 1:
        return ["image"]
    return [f"image[{i}]" for i in range(len(references))]


def _check_mask(mask: Picture, first: Reference) -> None:
    """Refuse a mask that is no PNG with alpha, or not of picture 1's size."""
    if mask.media_type != "image/png" or not mask.alpha:
        fault = "a mask must be a PNG with an alpha channel"
    elif not isinstance(first, Picture) or (mask.width, mask.height) != (first.width, first.height):
        fault = "the mask's size does not match the first image's"
    else:
        return
    raise UnmakeableImage(
        f"Invalid mask image format - {fault}.", param="mask", code="invalid_value"
    )


@contextmanager
def _blamed_on(label: str) -> Iterator[None]:
    """Turn what is wrong with a picture's bytes into a refusal that names it."""
    try:
        yield
    except BadPicture as fault:
        if fault.code == "unsupported_file_mimetype":
            message = (
                f"Invalid file '{label}': unsupported mimetype ('application/octet-stream'). "
                "Supported file formats are 'image/jpeg', 'image/png', and 'image/webp'."
            )
            raise InvalidRequest(message, param=label, code=fault.code) from fault
        message = f"Invalid image file or mode for '{label}': {fault.message}"
        raise UnmakeableImage(message, param=label, code=fault.code) from fault


@contextmanager
def _placed_at(param: str) -> Iterator[None]:
    """Name the place of an address that was refused."""
    try:
        yield
    except InvalidRequest as fault:
        raise InvalidRequest(
            fault.message, param=param, code=fault.code or "invalid_value"
        ) from fault
