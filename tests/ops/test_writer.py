"""A reader who stops stops nobody else."""

import asyncio
import contextlib
import io
import os
import threading
from collections.abc import Iterator
from typing import TextIO

import pytest

from gateway.clock import SystemClock
from gateway.ops.writer import Writer

clock = SystemClock()


@contextlib.contextmanager
def a_pipe(*, blocking: bool = True) -> Iterator[tuple[int, TextIO]]:
    read, write = os.pipe()
    os.set_blocking(write, blocking)
    with os.fdopen(write, "w") as stream:
        yield read, stream
    os.close(read)


def read_all(descriptor: int) -> list[str]:
    text = b""
    while data := os.read(descriptor, 65536):
        text += data
    return text.decode().splitlines()


def dropped(count: int) -> str:
    return f"dropped {count}"


def test_lines_arrive_in_order() -> None:
    stream = io.StringIO()
    writer = Writer(stream, dropped)
    for number in range(1000):
        writer.put(str(number))
    writer.close()
    assert stream.getvalue().splitlines() == [str(number) for number in range(1000)]
    assert writer.dropped == 0


def test_lines_reach_a_file_as_utf_8() -> None:
    with a_pipe() as (read, stream):
        writer = Writer(stream, dropped)
        writer.put("größer \udc80")
        writer.close()
        stream.close()
        assert read_all(read) == ["größer \\udc80"]


async def test_a_stopped_reader_does_not_block_the_loop() -> None:
    with a_pipe() as (read, stream):
        writer = Writer(stream, dropped, capacity=500)
        longest, last = 0.0, clock.monotonic()
        for turn in range(5000):
            writer.put("x" * 200)
            if turn % 50 == 0:
                await clock.sleep(0)
                longest, last = max(longest, clock.monotonic() - last), clock.monotonic()
        assert longest < 0.2
        assert writer.dropped > 3000
        lost = writer.dropped
        reading = asyncio.create_task(asyncio.to_thread(read_all, read))
        await asyncio.to_thread(writer.close)
        stream.close()
        lines = await reading
        told = sum(int(line.split()[1]) for line in lines if line.startswith("dropped"))
        assert told == lost
        assert len(lines) == 5000 - lost + sum(line.startswith("dropped") for line in lines)


def test_closing_does_not_wait_for_ever_for_a_stopped_reader() -> None:
    with a_pipe() as (read, stream):
        writer = Writer(stream, dropped, capacity=10)
        began = clock.monotonic()
        while writer.dropped < 10 and clock.monotonic() - began < 2:
            writer.put("x" * 10_000)
        writer.close(patience=0.05)
        assert clock.monotonic() - began < 2
        stream.close()
        read_all(read)  # which also lets the thread end
        writer._thread.join(2)


def test_a_reader_that_left_is_counted_and_survived() -> None:
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as stream:
        writer = Writer(stream, dropped)
        writer.put("into the void")
        writer.close()
        assert writer.dropped == 1


def test_a_closed_stream_is_survived() -> None:
    stream = io.StringIO()
    writer = Writer(stream, dropped)
    stream.close()
    writer.put("into the void")
    writer.close()
    assert writer.dropped == 1


def test_a_file_that_others_made_non_blocking_loses_nothing() -> None:
    with a_pipe(blocking=False) as (read, stream):
        writer = Writer(stream, dropped, capacity=100_000)
        for number in range(20_000):
            writer.put(f"{number:020}")
        heard: list[str] = []
        reader = threading.Thread(target=lambda: heard.extend(read_all(read)))
        reader.start()
        writer.close(patience=5)
        stream.close()
        reader.join(5)
        assert len(heard) == 20_000
        assert writer.dropped == 0


@pytest.mark.parametrize("count", [1, 5])
def test_the_thread_ends_with_the_writer(count: int) -> None:
    writers = [Writer(io.StringIO(), dropped) for _ in range(count)]
    for writer in writers:
        writer.close()
        assert not writer._thread.is_alive()
