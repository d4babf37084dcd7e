"""References at the vendor: uploaded once, repeated where that helps, shared between requests."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from gateway.errors import GatewayError, UpstreamRefused, UpstreamThrottled, UpstreamUnavailable
from gateway.notices import CallRepeated
from gateway.translate.model import Picture, Reference, RemotePicture, TaskSpec
from gateway.upstream.base import TaskStatus
from gateway.upstream.budget import FLOOR, RetryBudget
from gateway.upstream.uploads import Uploads
from tests.clocks import FakeClock


@dataclass
class FakeVendor:
    """Reads the file, takes a second, then fails as scripted by digest, or gives an address."""

    clock: FakeClock
    errors: dict[str, list[GatewayError]] = field(default_factory=dict)
    uploaded: list[str] = field(default_factory=list)

    async def upload(self, picture: Picture) -> str:
        assert Path(picture.path).read_bytes()
        await self.clock.sleep(1)
        if self.errors.get(picture.digest):
            raise self.errors[picture.digest].pop(0)
        self.uploaded.append(picture.digest)
        return f"https://files/{picture.digest}"

    async def create(
        self, spec: TaskSpec, links: Mapping[Reference, str], task_id: str
    ) -> TaskStatus:
        raise NotImplementedError

    async def status(self, task_id: str) -> TaskStatus:
        raise NotImplementedError


@dataclass
class Bench:
    folder: Path
    clock: FakeClock
    vendor: FakeVendor
    uploads: Uploads
    told: list[object]

    def picture(self, digest: str, owner: str = "first") -> Picture:
        path = self.folder / f"{owner}-{digest}"
        path.write_bytes(b"bytes")
        return Picture(str(path), digest, "image/png", 8, 8, 5, alpha=False)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    clock = FakeClock()
    vendor = FakeVendor(clock)
    told: list[object] = []
    uploads = Uploads(vendor, clock, 100, RetryBudget(0.5, clock), told.append)
    return Bench(tmp_path, clock, vendor, uploads, told)


async def test_links_stay_as_they_are_and_equal_pictures_go_once(bench: Bench) -> None:
    remote = RemotePicture("https://example.org/a.png")
    first, again = bench.picture("a"), bench.picture("a", owner="second")
    links = await bench.clock.drive(bench.uploads.links([first, remote, again, first]))
    assert links == {first: "https://files/a", again: "https://files/a", remote: remote.url}
    assert bench.vendor.uploaded == ["a"]
    assert await bench.uploads.links([]) == {}


async def test_an_address_is_forgotten_when_its_life_is_over(bench: Bench) -> None:
    for _ in range(2):
        await bench.clock.drive(bench.uploads.links([bench.picture("a")]))
    assert bench.vendor.uploaded == ["a"]
    await bench.clock.advance(101)
    await bench.clock.drive(bench.uploads.links([bench.picture("a")]))
    assert bench.vendor.uploaded == ["a", "a"]


async def test_what_may_help_is_tried_three_times(bench: Bench) -> None:
    bench.vendor.errors["a"] = [UpstreamUnavailable("x"), UpstreamThrottled("x", retry_after=99)]
    started = bench.clock.monotonic()
    await bench.clock.drive(bench.uploads.links([bench.picture("a")]))
    assert bench.clock.monotonic() - started == pytest.approx(1 + 1 + 1 + 10 + 1)
    assert bench.told == [
        CallRepeated(op="upload", reason="unavailable"),
        CallRepeated(op="upload", reason="throttled"),
    ]
    bench.vendor.errors["b"] = [UpstreamUnavailable("x")] * 3
    with pytest.raises(UpstreamUnavailable):
        await bench.clock.drive(bench.uploads.links([bench.picture("b")]))
    assert bench.vendor.errors["b"] == []
    assert bench.told[2:] == [CallRepeated(op="upload", reason="unavailable")] * 2


async def test_where_everything_fails_only_a_share_is_tried_again(bench: Bench) -> None:
    count = 40
    names = [f"p{number}" for number in range(count)]
    bench.vendor.errors = {name: [UpstreamUnavailable("x")] * 3 for name in names}
    links = [bench.uploads.links([bench.picture(name)]) for name in names]
    ended = await bench.clock.drive(asyncio.gather(*links, return_exceptions=True))
    assert {type(one) for one in ended} == {UpstreamUnavailable}
    tries = sum(3 - len(left) for left in bench.vendor.errors.values())
    assert len(bench.told) == tries - count
    # Four at once, a second each: the last come when the first have gone out of the ten seconds.
    assert count + FLOOR + count // 2 <= tries <= count + 2 * FLOOR + count // 2
    assert tries < 3 * count


async def test_a_refused_picture_does_not_spoil_the_upload_another_request_waits_for(
    bench: Bench,
) -> None:
    bad, shared = bench.picture("bad"), bench.picture("shared")
    bench.vendor.errors = {"bad": [UpstreamRefused("no")], "shared": [UpstreamUnavailable("x")]}

    async def first() -> None:
        try:
            await bench.uploads.links([bad, shared])
        finally:
            for picture in (bad, shared):  # as the request's spool does
                Path(picture.path).unlink()

    failing = asyncio.ensure_future(first())
    await bench.clock.advance(0.5)
    other = asyncio.ensure_future(bench.uploads.links([bench.picture("shared", owner="second")]))
    await bench.clock.until(lambda: failing.done() and other.done())
    with pytest.raises(UpstreamRefused):
        await failing
    assert len(bench.told) == 1  # what was refused is not sent again
    assert list((await other).values()) == ["https://files/shared"]
