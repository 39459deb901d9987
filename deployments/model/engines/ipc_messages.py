"""The messages between an engine and its child process, as frames on a Unix socket.

A frame is 4 bytes of length and a pickle. Both ends are Mobula's own code, started by the parent,
on a socket that no other process can open.
"""

import pickle
import struct
from typing import Any, NamedTuple

_HEADER = struct.Struct("!I")


class RawImage(NamedTuple):
    """A picture: rows of red, green and blue bytes."""

    width: int
    height: int
    pixels: bytes


class GenerateCommand(NamedTuple):
    """Parent to child: continue this sequence. Fields as in TokenRequest. With `images`, `text` is
    the prompt, with a placeholder for each.
    """

    key: int
    prompt: tuple[int, ...]
    max_tokens: int
    stop_ids: frozenset[int]
    temperature: float
    top_p: float
    top_k: int
    seed: int
    presence_penalty: float
    frequency_penalty: float
    logprobs: bool
    interval_s: float
    grammar: str = ""
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    prompt_logprobs: bool = False
    text: str = ""
    images: tuple[RawImage, ...] = ()


class Cancel(NamedTuple):
    """Parent to child: this sequence was abandoned."""

    key: int


class Stop(NamedTuple):
    """Parent to child: exit now."""


class TokenBatch(NamedTuple):
    """Child to parent: tokens of one sequence.

    `end`: stop, length, cancelled (with what was generated and not sent), refused (for the
    job's parameters), error (of the engine) or None (more to come). `error` is the library's
    own reason for the last two. `prompt_logprobs` comes with the first tokens.
    """

    key: int
    ids: tuple[int, ...] = ()
    end: str | None = None
    logprobs: tuple[float, ...] = ()
    error: str = ""
    prompt_logprobs: tuple[float | None, ...] = ()


class Step(NamedTuple):
    """Child to parent: tokens that became ready up to step number `steps`."""

    steps: int
    batches: list[TokenBatch]


class Ready(NamedTuple):
    """Child to parent: the model is loaded and warm."""


class WorkerError(NamedTuple):
    """Child to parent: the engine cannot go on, and why."""

    reason: str


def pack(message: Any) -> bytes:
    """One frame: 4 bytes of length, then the pickle."""
    body = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
    return _HEADER.pack(len(body)) + body


class Unpacker:
    """Splits a byte stream into messages."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Any]:
        """The messages that `data` completed."""
        self._buffer += data
        messages: list[Any] = []
        offset = 0
        while len(self._buffer) - offset >= _HEADER.size:
            (length,) = _HEADER.unpack_from(self._buffer, offset)
            end = offset + _HEADER.size + length
            if len(self._buffer) < end:
                break
            messages.append(pickle.loads(self._buffer[offset + _HEADER.size : end]))
            offset = end
        del self._buffer[:offset]
        return messages
