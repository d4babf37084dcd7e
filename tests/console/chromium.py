"""A real Chromium, driven through playwright, that can reach nothing but this machine.

Owns: finding the browser (Debian's package, installed where it may be), its flags, and the record
of what its pages asked for and complained of. Must not know: the console.
"""

import contextlib
import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.async_api import Browser, Page, async_playwright

PACKAGE = "chromium"
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
_OURS = ("http://127.0.0.1:", "data:")


class Missing(Exception):
    """There is no Chromium here, and none could be had."""


def executable() -> str:
    """Where Chromium is; installed first where that can be done. Raises: Missing.

    Two runs at once do not install it at once.
    """
    lock = Path(tempfile.gettempdir()) / f"image-gateway-{PACKAGE}-{os.getuid()}.lock"
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        if (found := shutil.which(PACKAGE)) is not None:
            return found
        if os.getuid() != 0 or shutil.which("apt-get") is None:
            raise Missing(
                f"the console's tests need the package {PACKAGE}: apt-get install {PACKAGE}"
            )
        settings = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for command in (["update"], ["install", "-y", PACKAGE]):
            done = subprocess.run(
                ["apt-get", "-qq", *command],
                env=settings,
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode != 0:
                raise Missing(f"apt-get {' '.join(command)}: {done.stderr.strip()}")
        return executable_now()


def executable_now() -> str:
    """Where it is by now. Raises: Missing."""
    found = shutil.which(PACKAGE)
    if found is None:
        raise Missing(f"the package {PACKAGE} has brought no program of its name")
    return found


@dataclass
class Record:
    """What a browser's pages asked for, and what they complained of."""

    urls: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    @property
    def strangers(self) -> list[str]:
        """Addresses that are not this machine's."""
        return [url for url in self.urls if not url.startswith(_OURS)]

    @property
    def paths(self) -> list[str]:
        return [urlsplit(url).path for url in self.urls]


@dataclass
class Window:
    """Pages of a browser, each with cookies of its own; what they say and ask for is recorded."""

    browser: Browser
    record: Record = field(default_factory=Record)

    async def page(self, **options: Any) -> Page:
        """A new one."""
        settings = {"viewport": {"width": 1280, "height": 900}, **options}
        context = await self.browser.new_context(**settings)
        page = await context.new_page()
        page.set_default_timeout(10_000)
        page.on("request", lambda request: self.record.urls.append(request.url))
        page.on("pageerror", lambda error: self.record.complaints.append(str(error)))
        page.on("console", lambda said: self.record.complaints.append(said.text))
        return page

    async def close(self) -> None:
        """Close them all."""
        for context in self.browser.contexts:
            await context.close()


@contextlib.asynccontextmanager
async def browser_started() -> AsyncIterator[Browser]:
    """Chromium, with a profile of its own that is gone afterwards."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=executable(), args=[*_FLAGS])
        try:
            yield browser
        finally:
            await browser.close()
