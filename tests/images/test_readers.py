import struct
import subprocess
import sys
import warnings
import zlib
from pathlib import Path

import pytest
from PIL import Image, PngImagePlugin

from gateway.images import readers
from gateway.images.header import look
from gateway.images.readers import Damaged, Oversized, border, opened, settle
from tests.images.drawn import END, PIXELS, chunk, drawn, inserted, placed, png, riff, saved

SCREEN = b"GIF89a\1\0\1\0\0\0\0"
FRAME = b"\x2c" + bytes(4) + b"\1\0\1\0\0\2\2\x4c\1\0"


@pytest.mark.parametrize(
    "data",
    [
        png(*[chunk(b"teXt")] * 600, PIXELS, END),
        png(PIXELS, *[chunk(b"tEXt")] * 1_200, END),
        SCREEN + b"!\xfe\0" * 2_000 + b";",
        SCREEN + b"!\xfe" + b"\1x" * 2_000 + b"\0;",
        SCREEN + FRAME + b"!\xfe\0" * 2_000 + b";",
        b"\xff\xd8" + b"\xff\xfe\0\2" * 400,
        b"\xff\xd8" + b"\xff" * 2_000,
        b"\xff\xd8\xff\xe0\0\2" + b"\0" * 2_000,
    ],
)
def test_a_flood_of_small_parts_ends_early(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: bytes
) -> None:
    monkeypatch.setattr(readers, "_READS", 1_000)
    with pytest.raises(Damaged, match="too many parts"):
        look(placed(tmp_path, data))


def test_the_bound_leaves_real_files_alone() -> None:
    # Two readings for each block of a GIF, three for each chunk of a PNG.
    assert readers._READS / 2 * 255 > 50_000_000
    assert readers._READS / 3 * 4_096 > 50_000_000


def test_ten_thousand_frames_are_not_counted_one_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readers, "_READS", 40)
    header = look(placed(tmp_path, SCREEN + FRAME * 10_000 + b";"))
    assert header is not None
    assert header.animated
    still = saved(drawn(1, 1), "WEBP")[12:]
    frame = (b"ANMF", bytes(16) + still)
    header = look(
        placed(tmp_path, riff((b"VP8X", b"\2" + bytes(9)), (b"ANIM", bytes(6)), *[frame] * 9_000))
    )
    assert header is not None
    assert header.animated


def test_many_segments_of_exif_data_are_not_joined(tmp_path: Path) -> None:
    segment = b"\xff\xe1" + struct.pack(">H", 60_008) + b"Exif\0\0" + bytes(60_000)
    data = saved(drawn(), "JPEG")
    path = placed(tmp_path, data[:2] + segment * 300 + data[2:])
    with opened(path, "image/jpeg") as (image, _):
        assert len(image.info["exif"]) == 60_006
        image.load()


@pytest.mark.parametrize("method", range(8))
def test_a_gifs_header_costs_no_painting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: int
) -> None:
    size = struct.pack("<HH", 13_000, 13_000)
    control = b"!\xf9\4" + bytes([method << 2]) + bytes(4)
    gif = b"GIF89a" + size + bytes(3) + control + b"\x2c" + bytes(4) + size + b"\0\2\2\x4c\1\0;"
    monkeypatch.delattr("PIL._imaging.fill")
    header = look(placed(tmp_path, gif))
    assert header is not None
    assert (header.width, header.animated) == (13_000, False)


def test_what_pillow_would_make_room_for_is_bounded(tmp_path: Path) -> None:
    vast = b"\0\0\0\0" + b"\xff\x7f\0" * 2
    with pytest.raises(Oversized):
        look(placed(tmp_path, riff((b"VP8X", vast), (b"VP8 ", bytes(20)))))
    gif = SCREEN + b"\x2c" + bytes(4) + b"\xff\xff\xff\xff" + b"\0\2\2\x4c\1\0;"
    with pytest.raises(Oversized):
        look(placed(tmp_path, gif))


def test_much_text_is_bounded_once_that_is_settled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PngImagePlugin, "MAX_TEXT_MEMORY", 2**26)
    content = zlib.compress(bytes(1_000_000))
    text = [chunk(b"iTXt", b"%d\0\1\0\0\0" % n + content) for n in range(12)]
    path = placed(tmp_path, inserted(saved(drawn(), "PNG"), b"IDAT", *text))
    assert look(path) is not None
    settle()
    with pytest.raises(Damaged):
        look(path)


def test_settling_silences_pillow_and_nobody_else() -> None:
    with warnings.catch_warnings():
        settle()
        assert Image.MAX_IMAGE_PIXELS is not None
        Image._decompression_bomb_check((Image.MAX_IMAGE_PIXELS + 1, 1))
        with pytest.raises(UserWarning):
            warnings.warn("ours", stacklevel=1)


def test_nothing_is_settled_by_an_import() -> None:
    code = (
        "import warnings; before = list(warnings.filters); import gateway.images.workshop;"
        "from PIL import PngImagePlugin;"
        "assert warnings.filters == before; assert PngImagePlugin.MAX_TEXT_MEMORY == 2**26"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_machines_faults_pass_the_border() -> None:
    passing: tuple[Exception, ...] = (MemoryError(), OSError(5, "no"), Damaged("as it is"))
    for fault in passing:
        with pytest.raises(type(fault)) as caught, border():
            raise fault
        assert caught.value is fault


@pytest.mark.parametrize(
    "fault", [OSError("no number"), SyntaxError(), IndexError(), RecursionError()]
)
def test_the_files_faults_do_not(fault: Exception) -> None:
    with pytest.raises(Damaged), border():
        raise fault


def test_no_file_stays_open(tmp_path: Path) -> None:
    path = placed(tmp_path, saved(drawn(), "PNG"))
    with pytest.raises(Damaged), opened(path, "image/png") as (_, file):
        raise Damaged
    assert file.closed
