"""The props of the proofs do what they say: names, certificates, the small disk, the wall clock."""

import asyncio
import socket
import ssl
import sys
from pathlib import Path

import pytest

from gateway.clock import SystemClock
from tests.faults.certificates import Certificates, certificates
from tests.faults.faketime import faketime
from tests.faults.names import naming
from tests.faults.smalldisk import small_disk

CLOCK = SystemClock()


async def test_a_name_leads_to_loopback_or_nowhere_or_there_late() -> None:
    loop = asyncio.get_running_loop()
    with naming() as names:
        assert (await loop.getaddrinfo("a.test", 80))[0][4] == ("127.0.0.1", 80)
        for trouble, code in (("unknown", socket.EAI_NONAME), ("failing", socket.EAI_AGAIN)):
            names.trouble["a.test"] = trouble  # type: ignore[assignment]
            with pytest.raises(socket.gaierror) as caught:
                await loop.getaddrinfo("a.test", 80)
            assert caught.value.errno == code
        names.trouble["a.test"] = 30.0
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await loop.getaddrinfo("a.test", 80)
        assert names.struck["a.test"] == 3
        assert await loop.getaddrinfo("127.0.0.1", 80)
    with pytest.raises(socket.gaierror):
        await loop.getaddrinfo("a.test", 80)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return certificates(tmp_path_factory.mktemp("certificates"))


async def shaken(server: ssl.SSLContext, client: ssl.SSLContext) -> None:
    """Shake hands as ``a.vendor.test``. Raises: ssl.SSLError."""

    async def nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    listener = await asyncio.start_server(nothing, "127.0.0.1", 0, ssl=server)
    async with listener:
        port = listener.sockets[0].getsockname()[1]
        _, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=client, server_hostname="a.vendor.test"
        )
        writer.transport.abort()


async def test_a_good_certificate_is_believed(made: Certificates) -> None:
    await shaken(made.good, made.trusting)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("wrong_host", "Hostname mismatch"),
        ("expired", "certificate has expired"),
        ("unknown", "unable to get local issuer certificate|self-signed"),
    ],
)
async def test_each_bad_certificate_is_bad_in_its_own_way(
    made: Certificates, name: str, reason: str
) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match=reason):
        await shaken(getattr(made, name), made.trusting)


async def test_a_small_disk_is_its_processes_own_and_can_be_full(tmp_path: Path) -> None:
    disk = await small_disk(tmp_path / "small", "1m")
    file, ready = disk.path / "file", tmp_path / "ready"
    waiting = f"echo x >{file}; touch {ready}; read line; echo more >>{file}"
    child = await asyncio.create_subprocess_exec(
        *(*disk.within, "sh", "-c", f"{waiting}; read line; echo more >>{file}"),
        stdin=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert child.stdin is not None
    try:
        async with asyncio.timeout(10):
            while not ready.exists():
                await CLOCK.sleep(0.01)
            assert not file.exists()  # out here the folder is as it was
            seen = Path(f"/proc/{child.pid}/root{file}")
            async with disk.full(child.pid):
                before = seen.read_text()
                with pytest.raises(OSError, match="No space"):
                    seen.with_name("other").write_bytes(b"x" * 10_000)
            child.stdin.write(b"\n\n")
            _, said = await child.communicate()
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    assert before.startswith("x\n")
    assert (child.returncode, said) == (0, b"")
    assert not any(disk.path.iterdir())


async def test_the_wall_clock_jumps_and_the_other_does_not(tmp_path: Path) -> None:
    wall = await faketime(tmp_path)
    told = "import sys, time\nfor _ in sys.stdin: print(time.time(), time.monotonic(), flush=True)"
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-S", "-c", told),
        env=dict(wall.variables),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert child.stdin is not None
    assert child.stdout is not None

    async def asked() -> tuple[float, float]:
        child.stdin.write(b"\n")  # type: ignore[union-attr]
        line = await child.stdout.readline()  # type: ignore[union-attr]
        now, monotonic = line.split()
        return float(now) - CLOCK.wall(), float(monotonic) - CLOCK.monotonic()

    try:
        offsets = [await asked()]
        for seconds in (3_600, -90_000):
            wall.jump(seconds)
            offsets.append(await asked())
    finally:
        child.stdin.close()
        await child.wait()
    assert [round(wall_off / 60) for wall_off, _ in offsets] == [0, 60, -1_440]
    assert all(abs(off) < 5 for _, off in offsets)
