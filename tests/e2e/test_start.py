"""What a gateway finds when it starts where another one was killed."""

from pathlib import Path

from tests.e2e.stand import behaving


async def test_callers_files_of_a_dead_process_are_removed(tmp_path: Path) -> None:
    left = tmp_path / "images" / "spool" / "request-dead" / "001"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"somebody's picture")
    async with behaving(tmp_path):
        assert not left.exists()
