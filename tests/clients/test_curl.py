"""What people and scripts send with curl, down to the headers that curl adds by itself."""

import asyncio
import base64
import json
import shutil
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.clients.books import Books
from tests.clients.known import row
from tests.e2e.pictures import decoded, drawn_png, encoded, mask_png
from tests.e2e.stand import KEY, Stand
from tests.images.drawn import noise

pytestmark = [pytest.mark.clients, pytest.mark.asyncio(loop_scope="module")]

CURL = "curl"
PATIENCE = 60
SMALL = {"model": "gpt-image-2", "size": "1024x768", "quality": "low"}
GENERATIONS, EDITS = "/v1/images/generations", "/v1/images/edits"
CODEX = {
    "model": "gpt-image-2",
    "quality": "auto",
    "size": "auto",
    "background": "opaque",
}


@cache
def program() -> str:
    found = shutil.which(CURL)
    if found is None:
        pytest.fail("curl is missing: install the package curl")
    return found


@dataclass(frozen=True)
class Heard:
    """What curl received, and what it sent and was sent before that."""

    status: int
    headers: dict[str, str]
    body: bytes
    uploaded: int
    dialogue: str

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, Any]:
        error: dict[str, Any] = self.json["error"]
        assert set(error) == {"message", "type", "param", "code"}
        return error


async def curl(url: str, *words: str, key: str | None = KEY, data: bytes = b"") -> Heard:
    told = ("-H", f"Authorization: Bearer {key}") if key else ()
    with tempfile.NamedTemporaryFile() as body:
        process = await asyncio.create_subprocess_exec(
            *(program(), "-qsv", "--noproxy", "*", "-o", body.name),
            *("-w", "%{http_code} %{size_upload} %{header_json}", *told, *words, url),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, said = await asyncio.wait_for(process.communicate(data), PATIENCE)
        status, uploaded, headers = out.decode("latin-1").split(" ", 2)
        found = {name: values[0] for name, values in json.loads(headers).items()}
        sent = Path(body.name).read_bytes()
    return Heard(int(status), found, sent, int(uploaded), said.decode("latin-1"))


def one_picture(heard: Heard, books: Books, size: tuple[int, int] = (1024, 768)) -> None:
    assert (heard.status, heard.headers["content-type"]) == (200, "application/json")
    (item,) = heard.json["data"]
    assert set(item) == {"b64_json"}
    assert decoded(base64.b64decode(item["b64_json"], validate=True)).size == size
    assert books.purchases == 1


@row((21, 46), CURL)
@pytest.mark.parametrize(
    "kind",
    [
        "application/json",
        "application/json; charset=utf-8",
        "Application/JSON;charset=UTF-8",
        "application/x-www-form-urlencoded",
        "text/plain",
        "",
    ],
)
async def test_json_is_read_whatever_it_is_called(
    stand: Stand, books: Books, prompt: str, kind: str
) -> None:
    wish = json.dumps({"prompt": prompt, **SMALL})
    # Without a word about it curl calls -d urlencoded; "Content-Type:" has it say nothing.
    told = () if kind == "application/x-www-form-urlencoded" else ("-H", f"Content-Type: {kind}")
    heard = await curl(stand.url + GENERATIONS, *told, "-d", wish)
    one_picture(heard, books)


@row((5, 46), CURL)
async def test_a_mark_of_utf8_before_the_json_is_read_over(
    stand: Stand, books: Books, prompt: str
) -> None:
    wish = b"\xef\xbb\xbf" + json.dumps({"prompt": prompt, **SMALL, "model": "dall-e-2"}).encode()
    wish = wish.replace(b'"quality"', b'"response_format": "b64_json", "quality"')
    told = ("-H", "Content-Type: application/json", "--data-binary", "@-")
    heard = await curl(stand.url + GENERATIONS, *told, data=wish)
    assert heard.status == 200
    assert set(heard.json["data"][0]) == {"b64_json", "revised_prompt"}
    assert books.purchases == 1


@row(45, CURL)
async def test_curl_waits_to_be_told_to_go_on_with_a_large_picture(
    stand: Stand, books: Books, prompt: str, tmp_path: Path
) -> None:
    big = tmp_path / "big.png"
    big.write_bytes(encoded(noise(800, 600), compress_level=0))
    assert big.stat().st_size > 1_100_000
    form = ("-F", f"image=@{big}", "-F", f"prompt={prompt}", "-F", "size=1024x768")
    heard = await curl(stand.url + EDITS, *form, "-F", "model=gpt-image-2")
    assert "> Expect: 100-continue" in heard.dialogue
    assert "< HTTP/1.1 100 Continue" in heard.dialogue
    one_picture(heard, books)


@row((31, 45), CURL)
async def test_curl_sends_no_picture_where_its_key_is_wrong(
    stand: Stand, books: Books, prompt: str, tmp_path: Path
) -> None:
    big = tmp_path / "big.png"
    big.write_bytes(encoded(noise(800, 600), compress_level=0))
    form = ("-F", f"image=@{big}", "-F", f"prompt={prompt}")
    heard = await curl(stand.url + EDITS, *form, key="sk-nobody-has-this")
    assert (heard.status, heard.error["code"]) == (401, "invalid_api_key")
    assert "100 Continue" not in heard.dialogue
    (asked,) = await books.over()
    assert asked.received < big.stat().st_size
    assert books.purchases == 0


@row((6, 46), CURL)
@pytest.mark.parametrize("key", [None, KEY, "sk-nobody-has-this"])
async def test_a_link_needs_no_key_and_minds_none(
    stand: Stand, books: Books, prompt: str, key: str | None
) -> None:
    wish = json.dumps({"prompt": prompt, "size": "256x256"})
    made = await curl(stand.url + GENERATIONS, "-d", wish)
    link = made.json["data"][0]["url"]
    assert link.startswith(f"{stand.url}/images/")  # a private address, and .png at its end
    assert link.endswith(".png")
    heard = await curl(link, key=key)
    assert (heard.status, heard.headers["content-type"]) == (200, "image/png")
    assert int(heard.headers["content-length"]) == len(heard.body)
    assert heard.headers["access-control-allow-origin"] == "*"
    assert decoded(heard.body).size == (256, 256)
    looked = await curl(link, "-I", key=key)
    assert looked.status == 200
    assert books.purchases == 1


@row(41, CURL)
@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", GENERATIONS, 405, "method_not_supported"),
        ("PUT", EDITS, 405, "method_not_supported"),
        ("POST", "/v1/models", 405, "method_not_supported"),
        ("GET", "/v1/nothing", 404, "unknown_url"),
        ("GET", "/v1", 404, "unknown_url"),
        ("GET", "/", 404, "unknown_url"),
        ("POST", "/v1/chat/completions", 404, "unknown_url"),
    ],
)
async def test_what_is_not_there_is_told_in_openais_envelope(
    stand: Stand, books: Books, method: str, path: str, status: int, code: str
) -> None:
    heard = await curl(stand.url + path, "-X", method)
    assert (heard.status, heard.error["code"]) == (status, code)
    assert heard.headers["content-type"] == "application/json"
    assert heard.headers["x-request-id"].startswith("req_")
    assert books.purchases == 0


@row(44, CURL)
async def test_a_body_without_an_end_is_cut_off(stand: Stand, books: Books, tmp_path: Path) -> None:
    """Nine hundred megabytes in chunks, of which one picture may have fifty."""
    endless = tmp_path / "endless"
    with endless.open("wb") as file:
        file.write(b'--x\r\nContent-Disposition: form-data; name="image"\r\n\r\n')
        file.truncate(900_000_000)  # of which the disk has no more than the beginning
    form = ("-H", "Content-Type: multipart/form-data; boundary=x", "-H", "Expect:")
    chunked = ("-X", "POST", "-T", str(endless), "-H", "Transfer-Encoding: chunked")
    heard = await curl(stand.url + EDITS, *form, *chunked)
    assert (heard.status, heard.error["code"]) == (413, "request_too_large")
    assert heard.error["param"] == "image"
    assert heard.uploaded < 100_000_000
    assert books.purchases == 0


@row(44, CURL)
@pytest.mark.parametrize("chunked", [False, True])
async def test_too_long_a_body_is_413_in_json(stand: Stand, books: Books, chunked: bool) -> None:
    more = ("-H", "Transfer-Encoding: chunked") if chunked else ()
    wish = b'{"prompt": "' + b"x" * 2_000_000 + b'"}'
    told = ("-H", "Content-Type: application/json", "--data-binary", "@-")
    heard = await curl(stand.url + GENERATIONS, *told, *more, data=wish)
    assert (heard.status, heard.error["code"]) == (413, "request_too_large")
    assert books.purchases == 0


def data_url(data: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(data).decode()}"


async def edited(stand: Stand, wish: dict[str, Any]) -> Heard:
    told = ("-H", "Content-Type: application/json", "--data-binary", "@-")
    return await curl(stand.url + EDITS, *told, data=json.dumps(wish).encode())


@row(17, CURL)
@pytest.mark.parametrize("count", [1, 16])
async def test_an_edit_in_json_brings_its_pictures_as_data_urls(
    stand: Stand, books: Books, prompt: str, count: int
) -> None:
    pictures = [drawn_png((300, 400)), *(drawn_png((40 + i, 40)) for i in range(count - 1))]
    images = [{"image_url": data_url(picture)} for picture in pictures]
    heard = await edited(stand, {**CODEX, "prompt": prompt, "images": images})
    one_picture(heard, books, (768, 1024))
    assert books.newest["references"] == count


@row(17, CURL)
async def test_a_public_address_is_handed_on(stand: Stand, books: Books, prompt: str) -> None:
    images = [{"image_url": "https://pictures.invalid/cat.png"}]
    heard = await edited(stand, {**CODEX, "prompt": prompt, "images": images, "size": "1024x768"})
    one_picture(heard, books)
    assert books.newest["references"] == 1


@row(17, CURL)
async def test_an_edit_in_json_has_a_mask(stand: Stand, books: Books, prompt: str) -> None:
    wish = {
        **CODEX,
        "prompt": prompt,
        "images": [{"image_url": data_url(drawn_png((1024, 768)))}],
        "mask": {"image_url": data_url(mask_png((1024, 768), (200, 150, 520, 430)))},
    }
    heard = await edited(stand, wish)
    one_picture(heard, books)
    assert books.newest["mask"] is True


@row(17, CURL)
@pytest.mark.parametrize(
    ("image", "param"),
    [
        ({"file_id": "file-abc"}, "images[0].file_id"),
        ({"image_url": "http://127.0.0.1:1/cat.png"}, "images[0].image_url"),
    ],
)
async def test_pictures_that_cannot_be_had_are_a_clean_400(
    stand: Stand, books: Books, prompt: str, image: dict[str, str], param: str
) -> None:
    heard = await edited(stand, {**CODEX, "prompt": prompt, "images": [image]})
    assert (heard.status, heard.error["code"]) == (400, "invalid_value")
    assert heard.error["param"] == param
    assert books.purchases == 0


@row(17, CURL)
@pytest.mark.parametrize("count", [0, 17])
async def test_none_and_seventeen_are_not_the_right_number_of_pictures(
    stand: Stand, books: Books, prompt: str, count: int
) -> None:
    """Each of them would be taken, and so would sixteen."""
    images = [{"image_url": data_url(drawn_png((300 + i, 400)))} for i in range(count)]
    heard = await edited(stand, {**CODEX, "prompt": prompt, "images": images})
    wrong = "array_above_max_length" if count else "missing_required_parameter"
    assert (heard.status, heard.error["code"], heard.error["param"]) == (400, wrong, "image")
    if count:
        assert "maximum length 16, but got an array with length 17" in heard.error["message"]
    assert books.purchases == 0
