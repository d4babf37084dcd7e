"""OpenAI's SDK in a page of another origin, in a real Chromium: what a browser lets it do."""

import functools
import threading
from collections.abc import AsyncIterator, Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Page

from tests.clients.books import Books
from tests.clients.environments import NPM, Environment
from tests.clients.known import CLIENTS, NODE7, row
from tests.console.chromium import browser_started
from tests.e2e.pictures import pictures_of
from tests.e2e.stand import KEY, Stand

pytestmark = [pytest.mark.clients, pytest.mark.asyncio(loop_scope="module")]

WHO = f"{CLIENTS[NODE7].called} in Chromium"
SMALL = {"model": "gpt-image-2", "size": "1024x768", "quality": "low"}
PAGE = """<!doctype html><script type="module">
import OpenAI from "/node_modules/openai7/index.mjs";
window.client = (baseURL, apiKey, more = {}) =>
  new OpenAI({ baseURL, apiKey, dangerouslyAllowBrowser: true, ...more });
</script>"""


class Silent(SimpleHTTPRequestHandler):
    """Files of a folder, and the page."""

    def do_GET(self) -> None:
        if self.path != "/":
            super().do_GET()
            return
        self.send_response(200)
        self.send_header("content-type", "text/html")
        self.end_headers()
        self.wfile.write(PAGE.encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """Say nothing."""


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[str]:
    """The address of a page that is none of the gateway's."""
    environment = Environment(NPM)
    environment.make()
    handler = functools.partial(Silent, directory=str(environment.folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()
        thread.join()


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def page(elsewhere: str) -> AsyncIterator[Page]:
    async with browser_started() as browser:
        found = await (await browser.new_context()).new_page()
        await found.goto(elsewhere)
        await found.wait_for_function("window.client !== undefined")
        yield found


async def called(page: Page, stand: Stand, script: str, wish: dict[str, Any]) -> Any:
    """What a script of the page gives, or the error it raises."""
    given = [f"{stand.url}/v1", KEY, wish]
    return await page.evaluate(
        f"""async ([url, key, wish]) => {{
            try {{ return await ({script})(url, key, wish); }}
            catch (error) {{
                const {{ status, code, requestID, message }} = error;
                return {{ name: error.constructor.name, status, code, requestID, message }};
            }}
        }}""",
        given,
    )


@row((2, 42), WHO)
async def test_a_page_of_another_origin_gets_its_picture(
    page: Page, stand: Stand, books: Books, prompt: str
) -> None:
    script = "(url, key, wish) => client(url, key).images.generate(wish)"
    told = await called(page, stand, script, {"prompt": prompt, **SMALL})
    assert set(told["data"][0]) == {"b64_json"}
    (picture,) = pictures_of(type("Told", (), {"data": [type("Item", (), told["data"][0])]}))
    assert picture.size == (1024, 768)
    assert books.purchases == 1
    await books.asked(1)


@row((42, 43), WHO)
async def test_a_page_reads_an_error_and_the_name_of_its_request(
    page: Page, stand: Stand, books: Books, prompt: str
) -> None:
    script = "(url, key, wish) => client(url, key).images.generate(wish)"
    told = await called(page, stand, script, {"prompt": prompt, **SMALL, "size": "9x9"})
    assert (told["status"], told["code"]) == (400, "invalid_value")
    (asked,) = await books.over()
    assert told["requestID"] == asked.request_id
    assert books.purchases == 0


@row((31, 42), WHO)
async def test_a_page_reads_that_its_key_is_wrong(
    page: Page, stand: Stand, books: Books, prompt: str
) -> None:
    script = "(url, key, wish) => client(url, 'sk-nobody-has-this').images.generate(wish)"
    told = await called(page, stand, script, {"prompt": prompt, **SMALL})
    assert (told["status"], told["code"]) == (401, "invalid_api_key")
    assert books.purchases == 0


@row((24, 42), WHO)
async def test_a_page_reads_a_stream(page: Page, stand: Stand, books: Books, prompt: str) -> None:
    script = """async (url, key, wish) => {
        const types = [], stream = await client(url, key).images.generate(wish);
        for await (const event of stream) types.push(event.type);
        return types;
    }"""
    told = await called(page, stand, script, {"prompt": prompt, **SMALL, "stream": True})
    assert told == ["image_generation.completed"]
    assert books.purchases == 1


@row((25, 42), WHO)
async def test_a_page_sends_a_picture(page: Page, stand: Stand, books: Books, prompt: str) -> None:
    script = """async (url, key, wish) => {
        const canvas = new OffscreenCanvas(300, 400);
        canvas.getContext("2d").fillRect(10, 10, 100, 100);
        const image = new File([await canvas.convertToBlob()], "drawn.png", { type: "image/png" });
        return client(url, key).images.edit({ ...wish, image });
    }"""
    told = await called(page, stand, script, {"prompt": prompt, **SMALL, "size": "auto"})
    assert (told["size"], books.newest["references"]) == ("768x1024", 1)
    assert books.purchases == 1


@row((6, 42), WHO)
async def test_a_page_fetches_what_a_link_points_to(
    page: Page, stand: Stand, books: Books, prompt: str
) -> None:
    script = """async (url, key, wish) => {
        const made = await client(url, key).images.generate(wish);
        const picture = await createImageBitmap(await (await fetch(made.data[0].url)).blob());
        return [picture.width, picture.height];
    }"""
    told = await called(page, stand, script, {"prompt": prompt, "size": "256x256"})
    assert told == [256, 256]
    assert books.purchases == 1
