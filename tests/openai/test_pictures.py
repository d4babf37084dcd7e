"""Pictures from every source: found, counted, checked in order, and the one at fault named."""

import base64
import hashlib
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from gateway.errors import InvalidRequest, UnmakeableImage
from gateway.openai.decoding import decode_text
from gateway.openai.faults import Json
from gateway.openai.fields import Given
from gateway.openai.forms import Upload
from gateway.openai.lifting import Lifted
from gateway.openai.pictures import Gathered, Gatherer
from gateway.openai.references import Address, Spooled, Workshop, from_form, from_json
from gateway.openai.spool import Spool
from gateway.translate.model import Picture, Reference, RemotePicture, note
from tests.openai.fakes import JPEG, FakeDesk, FakeRemote, png

URL = "https://example.com/a.png"


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def data_url(data: bytes) -> str:
    return f"data:image/png;base64,{encoded(data)}"


@dataclass
class Bench:
    """Reads and gathers on fakes."""

    folder: Path
    desk: FakeDesk = field(default_factory=FakeDesk)
    remote: FakeRemote = field(default_factory=FakeRemote)
    strict: bool = False
    limit: int = 10_000

    def __post_init__(self) -> None:
        self.spool = Spool(str(self.folder))

    async def json(self, values: dict[str, Json], **lifted: Lifted) -> Gathered:
        given = Given("edit", values, strict=self.strict, lifted=lifted)
        sources = await from_json(given, Workshop(self.spool, self.limit))
        return await self._gather().gather(sources)

    async def form(self, *uploads: Upload) -> Gathered:
        given = Given("edit", {}, form=True, strict=self.strict)
        sources = await from_form(given, uploads, Workshop(self.spool, self.limit))
        return await self._gather().gather(sources)

    async def upload(
        self, content: bytes, name: str = "image", *, index: int | None = None, named: bool = True
    ) -> Upload:
        file = self.spool.new()
        await file.write(content)
        await file.close()
        return Upload(name, index, file.path, len(content), named=named)

    def _gather(self) -> Gatherer:
        return Gatherer(self.desk, self.remote, self.spool)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def widths(references: tuple[Reference, ...]) -> list[int]:
    return [each.width for each in references if isinstance(each, Picture)]


async def refusal(bench: Bench, values: dict[str, Json]) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        await bench.json(values)
    return caught.value


@pytest.mark.parametrize(
    "values",
    [
        {"images": [{"image_url": data_url(png())}]},
        {"image": [{"image_url": data_url(png())}]},
        {"image": {"image_url": data_url(png())}},
        {"image": data_url(png())},
        {"images": data_url(png())},
        {"images": [data_url(png())]},
        {"images": [encoded(png())]},
        {"images": [{"image_url": {"url": data_url(png())}}]},
        {"images": [{"image_url": data_url(png()), "file_id": None, "detail": "high"}]},
        {"image": None, "images": [encoded(png()).replace("/", "_").rstrip("=")]},
    ],
)
async def test_a_picture_in_json_is_found_in_every_shape(
    bench: Bench, values: dict[str, Json]
) -> None:
    gathered = await bench.json(values)
    (picture,) = gathered.references
    assert isinstance(picture, Picture)
    assert picture.digest == hashlib.sha256(png()).hexdigest()
    assert gathered.mask is None


async def test_a_lifted_picture_is_taken_from_its_file(bench: Bench) -> None:
    decoder = await decode_text(encoded(png(80)).encode(), bench.spool, 1000)
    lifted = Lifted(decoder.file.path, decoder.length)
    gathered = await bench.json({"images": [{"image_url": "word"}]}, word=lifted)
    assert widths(gathered.references) == [80]


async def test_a_lifted_text_with_a_fault_is_refused(bench: Bench) -> None:
    with pytest.raises(InvalidRequest, match="but it is not base64") as caught:
        await bench.json({"images": ["word"]}, word=Lifted("nowhere", 9, "it is not base64"))
    assert caught.value.param == "images[0]"


async def test_order_and_number_are_kept(bench: Bench) -> None:
    many: list[Json] = [data_url(png(10 + i)) for i in range(16)]
    gathered = await bench.json({"images": many})
    assert widths(gathered.references) == list(range(10, 26))


async def test_an_address_is_checked_and_handed_on(bench: Bench) -> None:
    gathered = await bench.json({"images": [{"image_url": f" {URL}"}, data_url(png())]})
    assert gathered.references[0] == RemotePicture(URL)
    assert widths(gathered.references) == [64]
    assert bench.remote.checked == [URL]


@pytest.mark.parametrize(
    ("values", "param", "code"),
    [
        ({}, "image", "missing_required_parameter"),
        ({"images": None}, "image", "missing_required_parameter"),
        ({"images": []}, "image", "missing_required_parameter"),
        ({"images": ""}, "image", "missing_required_parameter"),
        ({"mask": URL}, "image", "missing_required_parameter"),
        ({"images": [URL] * 17}, "image", "array_above_max_length"),
        ({"images": [{"file_id": "file-abc"}]}, "images[0].file_id", "invalid_value"),
        ({"images": [URL, "file-abc123"]}, "images[1]", "invalid_value"),
        ({"images": [URL, 5]}, "images[1]", "invalid_type"),
        ({"images": [None]}, "images[0]", "invalid_type"),
        ({"images": [[URL]]}, "images[0]", "invalid_type"),
        ({"images": [{}]}, "images[0].image_url", "missing_required_parameter"),
        ({"images": [{"image_url": ""}]}, "images[0].image_url", "missing_required_parameter"),
        ({"images": [{"image_url": 5}]}, "images[0].image_url", "invalid_type"),
        ({"images": [{"image_url": {}}]}, "images[0].image_url.url", "missing_required_parameter"),
        ({"images": [{"image_url": "http://a.b/c"}]}, "images[0].image_url", "invalid_value"),
        ({"image": "ftp://a.b/c.png"}, "image", "invalid_value"),
        ({"image": "data:image/png,raw"}, "image", "invalid_value"),
        ({"image": "ein B\u00e4r"}, "image", "invalid_value"),
        ({"image": True}, "image", "invalid_type"),
        ({"image": URL, "mask": 5}, "mask", "invalid_type"),
        ({"image": URL, "mask": {"file_id": "file-x"}}, "mask.file_id", "invalid_value"),
        ({"image": URL, "mask": "http://a.b/c"}, "mask", "invalid_value"),
    ],
)
async def test_a_shape_that_will_not_do_is_refused_with_its_place(
    bench: Bench, values: dict[str, Json], param: str, code: str
) -> None:
    fault = await refusal(bench, values)
    assert (fault.param, fault.code) == (param, code)


@pytest.mark.parametrize(
    ("values", "param", "code"),
    [
        ({"images": URL}, "images", "invalid_type"),
        ({"images": {"image_url": URL}}, "images", "invalid_type"),
        ({"images": [URL]}, "images[0]", "invalid_type"),
        ({"images": [{"image_url": {"url": URL}}]}, "images[0].image_url", "invalid_type"),
        ({"images": [{"image_url": URL, "x": 1}]}, "images[0].x", "unknown_parameter"),
    ],
)
async def test_strict_takes_one_shape_only(
    bench: Bench, values: dict[str, Json], param: str, code: str
) -> None:
    bench.strict = True
    assert (await bench.json({"images": [{"image_url": URL}]})).references == (RemotePicture(URL),)
    fault = await refusal(bench, values)
    assert (fault.param, fault.code) == (param, code)


async def test_strict_bounds_an_image_url_as_openai_does(bench: Bench) -> None:
    bench.strict = True
    with pytest.raises(InvalidRequest) as caught:
        await bench.json({"images": [{"image_url": "word"}]}, word=Lifted("x", 20_971_521))
    assert caught.value.code == "string_above_max_length"


async def test_parts_are_in_order_of_appearance(bench: Bench) -> None:
    names = ["image[]", "image", "images"]
    uploads = [await bench.upload(png(10 + i), name) for i, name in enumerate(names)]
    assert widths((await bench.form(*uploads)).references) == [10, 11, 12]


async def test_parts_with_an_index_are_in_its_order(bench: Bench) -> None:
    uploads = [await bench.upload(png(10 + i), f"image[{i}]", index=i) for i in (2, 0, 1)]
    assert widths((await bench.form(*uploads)).references) == [10, 11, 12]


@pytest.mark.parametrize(
    "text", [data_url(png()), encoded(png()), f"\n{encoded(png())}\n", data_url(png(padding=7000))]
)
async def test_text_in_place_of_a_file_is_decoded(bench: Bench, text: str) -> None:
    gathered = await bench.form(await bench.upload(text.encode(), named=False))
    assert widths(gathered.references) == [64]


async def test_an_address_in_place_of_a_file_is_an_address(bench: Bench) -> None:
    gathered = await bench.form(await bench.upload(URL.encode() + b"\n", named=False))
    assert gathered.references == (RemotePicture(URL),)


async def test_bytes_without_a_name_are_a_file(bench: Bench) -> None:
    gathered = await bench.form(
        await bench.upload(png(), named=False), await bench.upload(JPEG, named=False)
    )
    kinds = [each.media_type for each in gathered.references if isinstance(each, Picture)]
    assert kinds == ["image/png", "image/jpeg"]


async def test_a_file_with_a_name_is_never_an_address(bench: Bench) -> None:
    with pytest.raises(InvalidRequest) as caught:
        await bench.form(await bench.upload(URL.encode()))
    assert caught.value.code == "unsupported_file_mimetype"
    assert not bench.remote.checked


async def test_a_text_that_stands_for_nothing_is_no_picture(bench: Bench) -> None:
    undefined = await bench.upload(b"undefined", "mask", named=False)
    gathered = await bench.form(await bench.upload(png()), undefined)
    assert gathered.mask is None
    with pytest.raises(InvalidRequest, match="Missing required parameter: 'image'"):
        await bench.form(await bench.upload(b"null", named=False))


async def test_strict_takes_files_only(bench: Bench) -> None:
    bench.strict = True
    with pytest.raises(InvalidRequest) as caught:
        await bench.form(await bench.upload(URL.encode(), named=False))
    assert caught.value.message == (
        "Invalid type for 'image': expected one of an array of files or file, "
        "but got a string instead."
    )


async def test_strict_knows_one_name_for_parts(bench: Bench) -> None:
    bench.strict = True
    assert (await bench.form(await bench.upload(png(), "image[]"))).references
    with pytest.raises(InvalidRequest, match=r"Unknown parameter: 'images\[\]'"):
        await bench.form(await bench.upload(png(), "images[]"))


async def test_parts_are_counted(bench: Bench) -> None:
    for uploads in ([], [await bench.upload(png(), "mask")]):
        with pytest.raises(InvalidRequest, match="Missing required parameter: 'image'"):
            await bench.form(*uploads)
    with pytest.raises(InvalidRequest, match="maximum length 16"):
        await bench.form(*[await bench.upload(png())] * 17)
    with pytest.raises(InvalidRequest) as caught:
        await bench.form(await bench.upload(png()), *[await bench.upload(png(), "mask")] * 2)
    assert caught.value.param == "mask"


@pytest.mark.parametrize(
    ("pictures", "param", "code", "kind"),
    [
        ([b"hi"], "image", "unsupported_file_mimetype", InvalidRequest),
        ([b""], "image", "unsupported_file_mimetype", InvalidRequest),
        ([png(), b"hi"], "image[1]", "unsupported_file_mimetype", InvalidRequest),
        ([png()[:-2]], "image", "invalid_image_file", UnmakeableImage),
        ([png(), png(), png()[:-2]], "image[2]", "invalid_image_file", UnmakeableImage),
    ],
)
async def test_a_bad_picture_is_named(
    bench: Bench, pictures: list[bytes], param: str, code: str, kind: type[InvalidRequest]
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        await bench.form(*[await bench.upload(each) for each in pictures])
    fault = caught.value
    assert (type(fault), fault.param, fault.code) == (kind, param, code)


async def test_an_unsupported_file_is_refused_in_openais_words(bench: Bench) -> None:
    with pytest.raises(InvalidRequest) as caught:
        await bench.form(await bench.upload(b"hi"))
    assert caught.value.message == (
        "Invalid file 'image': unsupported mimetype ('application/octet-stream'). "
        "Supported file formats are 'image/jpeg', 'image/png', and 'image/webp'."
    )


async def test_all_are_measured_then_verified_then_prepared(bench: Bench) -> None:
    bench.desk.shrinks = True
    gathered = await bench.form(
        await bench.upload(png(), "image[]"),
        await bench.upload(JPEG, "image[]"),
        await bench.upload(png(), "mask"),
    )
    assert [step for step, _ in bench.desk.calls] == (
        ["measure"] * 3 + ["verify"] * 3 + ["prepare"] * 3
    )
    assert [what for _, what in bench.desk.calls[6:]] == ["kept", "free", "mask"]
    assert gathered.notes == (note("picture-reencoded"),) * 3
    assert gathered.mask is not None


async def test_without_a_mask_no_picture_must_keep_its_pixels(bench: Bench) -> None:
    await bench.form(await bench.upload(png()))
    assert bench.desk.calls[-1] == ("prepare", "free")


@pytest.mark.parametrize("mask", [png(64, 65), png(65, 64), png(alpha=False), JPEG, png(128, 128)])
async def test_a_mask_that_does_not_fit_is_refused(bench: Bench, mask: bytes) -> None:
    with pytest.raises(UnmakeableImage) as caught:
        await bench.form(await bench.upload(png()), await bench.upload(mask, "mask"))
    assert (caught.value.param, caught.value.code) == ("mask", "invalid_value")
    assert "verify" not in {step for step, _ in bench.desk.calls}


async def test_a_mask_that_is_no_picture_is_refused(bench: Bench) -> None:
    with pytest.raises(InvalidRequest) as caught:
        await bench.form(await bench.upload(png()), await bench.upload(b"hi", "mask"))
    assert (caught.value.param, caught.value.code) == ("mask", "unsupported_file_mimetype")


async def test_under_a_mask_the_first_picture_is_fetched_to_be_measured(bench: Bench) -> None:
    bench.remote.pages = {URL: png(80, 60)}
    other = "https://example.com/b.png"
    gathered = await bench.json({"images": [URL, other], "mask": data_url(png(80, 60))})
    first, second = gathered.references
    assert isinstance(first, Picture)
    assert (first.width, first.height) == (80, 60)
    assert second == RemotePicture(other)
    with pytest.raises(UnmakeableImage):
        await bench.json({"images": [URL], "mask": data_url(png(60, 80))})


async def test_a_mask_elsewhere_is_fetched(bench: Bench) -> None:
    bench.remote.pages = {URL: png()}
    gathered = await bench.json({"image": data_url(png()), "mask": {"image_url": URL}})
    assert isinstance(gathered.mask, Picture)


async def test_a_failed_fetch_names_the_place(bench: Bench) -> None:
    fault = await refusal(bench, {"images": [{"image_url": URL}], "mask": data_url(png())})
    assert (fault.param, fault.code) == ("images[0].image_url", "invalid_value")
    assert "404" in fault.message
    fault = await refusal(bench, {"image": data_url(png()), "mask": {"image_url": URL}})
    assert fault.param == "mask.image_url"


def test_sources_are_plain_values() -> None:
    assert Spooled("a") == Spooled("a")
    assert Address(URL, "image") != Address(URL, "mask")
