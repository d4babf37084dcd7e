"""Users: those who ask with OpenAI's own SDK, and one who slams the door.

Owns: how they ask, how patient they are, and what they were told. Must not know: processes, books.
"""

import asyncio
import base64
import contextlib
import hashlib
import io
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx2
import openai

from gateway.clock import SystemClock
from tests.e2e.pictures import drawn_png
from tests.faults.lines import RETRY_COUNT, Line
from tests.faults.supervisor import KEY
from tests.faults.wishes import Wish
from tests.outputs import OUTPUTS

_T = TypeVar("_T")
_HINT = "x-stainless-read-timeout"
_CROWD = 40
_LATER = {"Prefer": "respond-async"}
_ASK_AGAIN = "server_is_draining"  # it ended before all of the wish was sent
_MOST = 5
_PATIENCE = 60.0  # seconds
_LOOK = 0.1


@dataclass(frozen=True, slots=True)
class Reply:
    """What a user was told in the end: the pictures' digest, or the error's name.

    ``asked`` is how often it took to ask, the SDK's own retries aside.
    """

    wish: Wish
    seconds: float
    digest: str | None = None
    error: str | None = None
    asked: int = 1

    @property
    def answered(self) -> bool:
        return self.error is None


class User:
    """An SDK's client; may be asked several wishes at once. See ``using``.

    A ``silent`` one does not declare its time-out, so that the time-out really happens.
    """

    def __init__(
        self,
        url: str,
        *,
        key: str = KEY,
        timeout: float | None = None,
        max_retries: int = 2,
        silent: bool = False,
    ) -> None:
        self._clock = SystemClock()
        # Nobody speaks TLS here; reading the world's certificates for each user takes long.
        bare = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        hooks = {"request": [_say_nothing_of_time]} if silent else {}
        self._sdk = openai.AsyncOpenAI(
            base_url=f"{url}/v1",
            api_key=key,
            timeout=openai.DEFAULT_TIMEOUT if timeout is None else timeout,
            max_retries=max_retries,
            http_client=openai.DefaultAsyncHttpxClient(
                verify=bare, trust_env=False, event_hooks=hooks
            ),
        )

    async def ask(self, wish: Wish, *, retry_count: int | None = None) -> Reply:
        """Ask, with the SDK's own retries. ``retry_count`` says that it was asked before."""
        begun = self._clock.monotonic()
        more = {} if retry_count is None else {RETRY_COUNT: str(retry_count)}
        try:
            made = await self._made(wish, more)
        except openai.OpenAIError as error:
            return Reply(wish, self._clock.monotonic() - begun, error=_name(error))
        digest = _digest(made.model_dump())
        return Reply(wish, self._clock.monotonic() - begun, digest=digest)

    async def ask_later(self, wish: Wish) -> Reply:
        """Ask for a promise, then look until the pictures are there.

        Whoever is told that nothing was sent for it asks again, as the gateway says.
        """
        begun, asked = self._clock.monotonic(), 0
        ask = self._sdk.images.with_raw_response.generate
        while True:
            asked += 1
            try:
                told = await ask(prompt=wish.prompt, extra_headers=_LATER, **wish.options)
                task = await self._looked(told.headers["location"])
            except openai.OpenAIError as error:
                return Reply(wish, self._clock.monotonic() - begun, error=_name(error), asked=asked)
            seconds = self._clock.monotonic() - begun
            if task["status"] == "completed":
                return Reply(wish, seconds, digest=_digest(task), asked=asked)
            OUTPUTS.keep("answers", json.dumps(task))
            code = task["error"]["code"]
            if code != _ASK_AGAIN or asked == _MOST:
                return Reply(wish, seconds, error=f"task failed {code}", asked=asked)

    async def _looked(self, location: str) -> dict[str, Any]:
        """The task once it is over; a gateway that is not there for a while is waited for."""
        until = self._clock.monotonic() + _PATIENCE
        while self._clock.monotonic() < until:
            with contextlib.suppress(openai.APIConnectionError, openai.InternalServerError):
                task = await self._sdk.get(location, cast_to=dict[str, Any])
                if task["status"] in {"completed", "failed"}:
                    return task
            await self._clock.sleep(_LOOK)
        return {"status": "failed", "error": {"code": "never over"}}

    async def _made(self, wish: Wish, headers: dict[str, str]) -> Any:
        images = self._sdk.images
        if not wish.edit:
            return await images.generate(prompt=wish.prompt, extra_headers=headers, **wish.options)
        picture = ("one.png", io.BytesIO(drawn_png((64, 48))), "image/png")
        return await images.edit(
            image=picture, prompt=wish.prompt, extra_headers=headers, **wish.options
        )

    async def stream(self, wish: Wish) -> str:
        """Ask for a stream of one picture; its digest. Raises: OpenAIError, also midway."""
        events = await self._sdk.images.generate(prompt=wish.prompt, stream=True, **wish.options)
        (event,) = [one async for one in events]
        return hashlib.sha256(base64.b64decode(event.b64_json, validate=True)).hexdigest()

    async def leave(self) -> None:
        await self._sdk.close()


@contextlib.asynccontextmanager
async def using(url: str, **manners: Any) -> AsyncIterator[User]:
    """A user, who leaves in the end."""
    user = User(url, **manners)
    try:
        yield user
    finally:
        await user.leave()


def _digest(made: Mapping[str, Any]) -> str:
    pictures = [base64.b64decode(item["b64_json"], validate=True) for item in made["data"]]
    return hashlib.sha256(b"/".join(pictures)).hexdigest()


async def _say_nothing_of_time(request: httpx2.Request) -> None:
    request.headers.pop(_HINT, None)


def _name(error: openai.OpenAIError) -> str:
    name = type(error).__name__
    if isinstance(error, openai.APIStatusError):
        OUTPUTS.keep("answers", f"{error.response.headers}\n{error.response.text}")
        return f"{name} {error.status_code} {error.code}"
    return name


async def slam(url: str, wish: Wish, moment: float) -> None:
    """Ask as an SDK's first try does, and cut the connection after ``moment`` seconds."""
    line = await Line.opened(url)
    try:
        line.send(wish)
        await SystemClock().sleep(moment)
    finally:
        line.slam()


async def crowd(
    work: Iterable[_T], one: Callable[[_T], Awaitable[Reply]], at_once: int = _CROWD
) -> list[Reply]:
    """Do all the work, by so many users at once."""
    waiting = iter(work)
    replies: list[Reply] = []

    async def user() -> None:
        for piece in waiting:
            reply = await one(piece)
            replies.append(reply)

    async with asyncio.TaskGroup() as users:
        for _ in range(at_once):
            users.create_task(user())
    return replies
