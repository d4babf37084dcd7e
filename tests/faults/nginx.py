"""Debian's nginx between users and the gateway, unprivileged and on the loopback interface.

Owns: its configuration and its process. Must not know: what is asked through it.
"""

import contextlib
import os
import re
import socket
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

from gateway.clock import SystemClock
from tests.faults import debian
from tests.faults.keeping import PATIENCE, Command, Stuck, keeping

_CONFIG = """
daemon off; {user}
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log notice;
events {{ worker_connections 4096; }}
http {{
    log_format statuses "$status";
    access_log {folder}/access.log statuses;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    scgi_temp_path {folder}/scgi;
    uwsgi_temp_path {folder}/uwsgi;
    server {{
        listen {place};
        location / {{
            proxy_pass {upstream};
            proxy_set_header Host $http_host;
            {more}
        }}
    }}
}}
"""


@dataclass(frozen=True, slots=True)
class Proxy:
    """Where it listens, and what it answered."""

    url: str
    folder: Path

    def statuses(self) -> list[int]:
        """The status of every answer it gave so far."""
        log = self.folder / "access.log"
        return [int(line) for line in log.read_text().split()] if log.exists() else []


@contextlib.asynccontextmanager
async def proxying(
    folder: Path, upstream: str, *, read_timeout: int | None = None, http: str | None = "1.1"
) -> AsyncIterator[Proxy]:
    """An nginx that gives up on an answer after so many seconds of silence.

    None leaves what is nginx's own: 60 seconds, and HTTP/1.0 to who is behind it (1.1 of late).
    Raises: debian.Missing, Stuck.
    """
    nginx = debian.program("nginx", "usr/sbin/nginx")
    folder.mkdir(parents=True)
    with contextlib.closing(socket.create_server(("127.0.0.1", 0), backlog=4096)) as sock:
        place = "{}:{}".format(*sock.getsockname())
        config = folder / "nginx.conf"
        config.write_text(
            _CONFIG.format(
                folder=folder,
                place=place,
                upstream=upstream,
                more=" ".join(_directives(read_timeout, http)),
                # Its workers would become somebody who may not write here.
                user="user root;" if os.geteuid() == 0 else "",
            )
        )
        async with keeping(sock) as keeper:
            child = await keeper.start(
                Command(
                    ("-p", str(folder), "-c", str(config), "-e", str(folder / "error.log")),
                    folder,
                    folder / "nginx.log",
                    program=str(nginx.path),
                    # The way in which nginx hands its sockets to a newer nginx.
                    environment={**nginx.environment, "NGINX": "3;"},
                    inherited=sock,
                )
            )
            clock = SystemClock()
            until = clock.monotonic() + PATIENCE
            while not _works(folder):
                if not child.alive or clock.monotonic() > until:
                    raise Stuck(f"nginx does not start: {child.tail()}")
                await clock.sleep(0.02)
            yield Proxy(f"http://{place}", folder)


def _directives(read_timeout: int | None, http: str | None) -> Iterator[str]:
    if read_timeout is not None:
        yield f"proxy_read_timeout {read_timeout}s;"
    if http is not None:
        yield f"proxy_http_version {http};"


def _works(folder: Path) -> bool:
    log = folder / "error.log"
    said = log.read_text() if log.exists() else ""
    return re.search(r"start worker process \d", said) is not None
