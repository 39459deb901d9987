"""Lines of a file are the same however its bytes arrive, and validation names what is none."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.runtime.clock import ManualClock, SystemClock
from deployments.batches import jsonl, line_validation
from deployments.batches.jsonl import FileLine, read_lines
from deployments.batches.line_validation import validate_lines

URL = "/v1/chat/completions"


async def blocks(content: bytes, size: int) -> AsyncIterator[bytes]:
    for at in range(0, len(content), size):
        yield content[at : at + size]


def lines_of(content: bytes, size: int, number: int = 0, position: int = 0) -> list[FileLine]:
    async def read() -> list[FileLine]:
        found = read_lines(blocks(content[position:], size), number, position)
        return [line async for line in found]

    return asyncio.run(read())


@given(
    st.lists(st.binary(max_size=12).map(lambda each: each.replace(b"\n", b"")), max_size=8),
    st.integers(1, 30),
)
def test_lines_do_not_depend_on_blocks(parts: list[bytes], size: int) -> None:
    content = b"\n".join(parts)
    found = lines_of(content, size)

    assert found == lines_of(content, 1_000)
    assert [line.number for line in found] == list(range(len(found)))
    for line in found:  # another worker may begin anywhere
        assert lines_of(content, size, line.number + 1, line.end) == found[line.number + 1 :]


@pytest.mark.parametrize("size", [1, 7, 100])
def test_a_long_line_has_no_content_and_those_around_it_do(
    monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(jsonl, "MAX_LINE_BYTES", 10)
    found = lines_of(
        b"\xef\xbb\xbfa\r\n" + b"x" * 40 + b"\n\n" + b"y" * 10 + b"\nz" + b"z" * 10, size
    )

    assert [line.content for line in found] == [b"a", None, b"", b"y" * 10, None]


def codes(names: Sequence[str]) -> list[tuple[str, int | None]]:
    text = "\n".join(json.dumps({"custom_id": name, "url": URL, "body": {}}) for name in names)

    async def pause() -> None: ...

    async def validate() -> list[tuple[str, int | None]]:
        lines = read_lines(blocks(text.encode(), 64))
        found = await validate_lines(lines, (URL,), ManualClock(), pause)
        return [(error.code, error.line) for error in found.errors]

    return asyncio.run(validate())


def test_the_first_line_too_many_ends_the_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line_validation, "MAX_LINES", 3)

    assert codes("abc") == []
    assert codes("abcdefgh") == [("too_many_lines", 4)]


def test_so_many_faults_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line_validation, "MAX_ERRORS", 2)

    assert codes("aabacadae") == [("duplicate_custom_id", 2), ("duplicate_custom_id", 4)]


def test_the_event_loop_is_left_after_each_slice() -> None:
    pauses = 0

    async def pause() -> None:
        nonlocal pauses
        pauses += 1

    async def validate() -> None:
        line = json.dumps({"custom_id": "a", "url": URL, "body": {"x": "y" * 50_000}}) + "\n"
        lines = read_lines(blocks(line.encode() * 40, 1 << 16))
        await validate_lines(lines, (URL,), SystemClock(), pause)

    asyncio.run(validate())
    assert pauses > 0
