"""The one place where pictures are worked on while the event loop goes on.

Owns: the threads. Headers and digests are read by a few; decoding, resizing and encoding go one at
a time, which bounds memory to about one picture's pixels twice over, whatever comes in. Must not
know: what the work is (the modules beside it), nor who waits for it.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from gateway.config.sections import Images
from gateway.images.finish import Finished, finish
from gateway.images.measure import measure, verify
from gateway.images.prepare import prepare
from gateway.images.readers import settle
from gateway.translate.model import Finish, Note, Picture

_READERS = 2
_RESULT_PIXELS = 40_000_000  # the largest of the vendor's table has 8.3 million


class Workshop:
    """Measures, verifies, prepares and finishes pictures off the loop.

    A waiter that is cancelled takes its work back where it has not begun; begun work is completed.
    """

    def __init__(self, section: Images, upload_bytes: int) -> None:
        """``upload_bytes`` is the vendor's bound on one picture."""
        settle()
        self._bounds = section.bounds
        self._upload_bytes = upload_bytes
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="picture-header")
        self._decoder = ThreadPoolExecutor(1, thread_name_prefix="picture")

    async def measure(self, path: str) -> Picture:
        """Sniff and measure a caller's file; raises ``BadPicture``."""
        work = partial(measure, path, self._bounds)
        return await asyncio.get_running_loop().run_in_executor(self._readers, work)

    async def verify(self, picture: Picture) -> Picture:
        """Decode a caller's picture, and tell whether it is transparent; raises ``BadPicture``."""
        work = partial(verify, picture)
        return await asyncio.get_running_loop().run_in_executor(self._decoder, work)

    async def prepare(
        self,
        picture: Picture,
        *,
        folder: str,
        keep_pixels: bool,
        is_mask: bool = False,
    ) -> tuple[Picture, tuple[Note, ...]]:
        """Make a picture fit for the vendor; raises ``BadPicture``."""
        work = partial(
            prepare,
            picture,
            max_bytes=self._upload_bytes,
            folder=folder,
            keep_pixels=keep_pixels,
            is_mask=is_mask,
        )
        return await asyncio.get_running_loop().run_in_executor(self._decoder, work)

    async def finish(self, source: str, target: str, wanted: Finish) -> Finished:
        """Verify and finish a downloaded result; raises ``UnusableResult``."""
        work = partial(finish, source, target, wanted, max_pixels=_RESULT_PIXELS)
        return await asyncio.get_running_loop().run_in_executor(self._decoder, work)

    def close(self) -> None:
        """Let the work that has begun end, and take up no more."""
        self._readers.shutdown(wait=False, cancel_futures=True)
        self._decoder.shutdown(wait=False, cancel_futures=True)
