"""What the tests draw, and how they look at what came back."""

import base64
import io
from typing import Any

import httpx
from PIL import Image

Size = tuple[int, int]
SMALL: Any = "1024x768"
"""The smallest size of the table."""


def encoded(picture: Image.Image, form: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, form, **options)
    return buffer.getvalue()


def drawn(size: Size = (1024, 768), mode: str = "RGB", seed: int = 1) -> Image.Image:
    """A picture whose pixels differ from each other and, by ``seed``, from other pictures."""
    wide, high = size
    across = Image.linear_gradient("L").rotate(90).resize(size)
    down = Image.linear_gradient("L").resize(size)
    flat = Image.new("L", (wide, high), 40 * seed % 256)
    return Image.merge("RGB", (across, down, flat)).convert(mode)


def drawn_png(size: Size = (1024, 768), seed: int = 1) -> bytes:
    return encoded(drawn(size, seed=seed))


def mask_png(size: Size, hole: tuple[int, int, int, int]) -> bytes:
    """Opaque but for a hole."""
    mask = Image.new("RGBA", size, (0, 0, 0, 255))
    mask.paste((0, 0, 0, 0), hole)
    return encoded(mask)


def pictures_of(result: Any) -> list[Image.Image]:
    """The pictures of an answer in base64, decoded to the last pixel."""
    return [decoded(base64.b64decode(item.b64_json, validate=True)) for item in result.data]


def decoded(data: bytes) -> Image.Image:
    picture = Image.open(io.BytesIO(data))
    picture.load()
    return picture


async def fetched(url: str) -> Image.Image:
    async with httpx.AsyncClient() as client:
        answer = await client.get(url)
    assert answer.status_code == 200
    return decoded(answer.content)
