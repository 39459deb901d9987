"""Lines of a JSONL file, while it is read: at most one line and one block are in memory.

In: blocks of bytes from a line's begin on. Out: lines with their places. A byte order mark before
the first is left out, as is CR before LF; blank lines are there, empty.
"""

from collections.abc import AsyncGenerator, AsyncIterable
from dataclasses import dataclass

MAX_LINE_BYTES = 1 << 20
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class FileLine:
    """`number` is from 0; `end` is where the next line begins. `content` None: it is too long."""

    number: int
    end: int
    content: bytes | None


async def read_lines(
    blocks: AsyncIterable[bytes], number: int = 0, position: int = 0
) -> AsyncGenerator[FileLine, None]:
    """`blocks` begin with line `number`, at `position`."""
    held, length = bytearray(), 0  # of the line that has begun; `held` is cut where it is too long
    async for block in blocks:
        start = 0
        while (newline := block.find(b"\n", start)) >= 0:
            length += newline - start
            content: bytes | None = None
            if length <= MAX_LINE_BYTES:
                content = bytes(held) + block[start:newline] if held else block[start:newline]
            position += length + 1
            yield FileLine(number, position, _trimmed(content, number))
            number += 1
            held.clear()
            start, length = newline + 1, 0
        length += len(block) - start
        if length <= MAX_LINE_BYTES:
            held += block[start:]
        else:
            held.clear()
    if length:
        content = bytes(held) if length <= MAX_LINE_BYTES else None
        yield FileLine(number, position + length, _trimmed(content, number))


def _trimmed(content: bytes | None, number: int) -> bytes | None:
    if content is None:
        return None
    if number == 0:
        content = content.removeprefix(_BYTE_ORDER_MARK)
    return content.strip(b" \t\r")
