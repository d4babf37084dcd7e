import io

import pytest

from gateway.simulator.files import Files, Kept, sniff
from gateway.simulator.settings import Settings
from tests.simulator.house import House, photo, png
from tests.simulator.house import house as opened


@pytest.mark.parametrize(
    ("form", "mime", "extension"),
    [
        ("PNG", "image/png", "png"),
        ("JPEG", "image/jpeg", "jpg"),
        ("WEBP", "image/webp", "webp"),
        ("GIF", "image/gif", "gif"),
    ],
)
async def test_four_formats_are_taken_whatever_they_are_called(
    house: House, form: str, mime: str, extension: str
) -> None:
    out = io.BytesIO()
    photo(64, 64).save(out, form)
    answer = await house.upload(out.getvalue(), "misnamed.bin")
    told = answer.json()
    assert told["success"] is True
    assert told["message"] == ""
    assert told["data"]["mime_type"] == mime
    assert told["data"]["size"] == len(out.getvalue())
    assert told["data"]["url"].endswith(f".{extension}")
    fetched = await house.client.get(told["data"]["url"])
    assert fetched.content == out.getvalue()
    assert fetched.headers["content-type"] == mime


@pytest.mark.parametrize("data", [b"", b"BM nothing", b"RIFF....WAVE", b"<svg/>"])
@pytest.mark.parametrize("status", [200, 400])
async def test_other_formats_are_refused_in_the_uploads_envelope(data: bytes, status: int) -> None:
    async with opened(Settings(upload_refusal_status=status)) as house:
        answer = await house.upload(data)
        assert answer.status_code == status
        assert answer.json() == {
            "success": False,
            "message": "Unsupported image type. Allowed: JPEG, PNG, WebP, GIF",
        }


async def test_ten_million_bytes_are_the_bound(house: House) -> None:
    head = png(photo(8, 8))
    fits = head + bytes(10_000_000 - len(head))
    assert (await house.upload(fits)).json()["success"] is True
    answer = await house.upload(fits + b"\0")
    assert answer.status_code == 400
    assert answer.json()["message"] == "Image too large. Maximum size is 10MB"


async def test_an_upload_without_a_file_part_is_refused(house: House) -> None:
    for sent in (
        {"data": {"file": "text"}},
        {"files": {"image": ("a.png", b"x", "image/png")}},
        {"content": b"nothing", "headers": {"content-type": "multipart/form-data"}},
        {
            "content": b"--x\r\nnonsense",
            "headers": {"content-type": "multipart/form-data; boundary=x"},
        },
    ):
        answer = await house.client.post("/v1/uploads/images", **sent)
        assert answer.status_code == 400
        assert answer.json()["success"] is False


async def test_an_upload_far_too_large_does_not_reach_the_vendor(house: House) -> None:
    answer = await house.client.post(
        "/v1/uploads/images", content=b"", headers={"content-length": "64000001"}
    )
    assert answer.status_code == 413


async def test_files_need_no_key_and_count_requests_that_bring_one(house: House) -> None:
    url = await house.uploaded(photo(64, 64))
    for _ in range(2):
        assert (await house.client.get(url, headers={"authorization": "Bearer x"})).is_success
    house.client.headers.pop("authorization")
    assert (await house.client.get(url)).is_success
    assert (await house.client.head(url)).headers["content-length"]
    assert (await house.control("stats"))["authorized_file_requests"] == 2


async def test_a_part_of_a_file_may_be_asked_for(house: House) -> None:
    url = await house.uploaded(photo(64, 64))
    whole = (await house.client.get(url)).content
    part = await house.client.get(url, headers={"range": "bytes=10-"})
    assert part.status_code == 206
    assert part.content == whole[10:]


async def test_an_unknown_file_is_not_found(house: House) -> None:
    for name in ("images/x.png", "../../etc/passwd", "%2e%2e/secret"):
        assert (await house.client.get(f"/files/{name}")).status_code == 404


def _keep(files: Files, name: str, size: int) -> Kept:
    kept = Kept(name, files.path(), "image/png", size, 0.0)
    kept.path.write_bytes(bytes(size))
    files.keep(kept)
    return kept


def test_the_oldest_files_make_room_and_the_newest_stays() -> None:
    files = Files(most=100)
    first, second = _keep(files, "a", 60), _keep(files, "b", 40)
    assert len(files) == 2
    third = _keep(files, "c", 50)
    assert files.find("a") is None
    assert not first.path.exists()
    assert files.find("b") == second
    _keep(files, "d", 500)
    assert files.find("c") is None
    assert not third.path.exists()
    assert files.find("d") is not None
    files.close()


def test_the_folder_is_made_when_needed_and_removed_at_the_end() -> None:
    files = Files()
    files.close()
    kept = _keep(files, "a", 1)
    files.clear()
    assert not kept.path.exists()
    assert kept.path.parent.exists()
    files.close()
    files.close()
    assert not kept.path.parent.exists()


def test_sniffing_reads_bytes_not_names() -> None:
    assert sniff(b"\xff\xd8\xff\xe0") == ("image/jpeg", "jpg")
    assert sniff(b"RIFF0000WEBPVP8 ") == ("image/webp", "webp")
    assert sniff(b"\x00\x00\x00\x20ftypavif") is None
