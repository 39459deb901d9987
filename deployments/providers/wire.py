"""What an engine's wire format turns into what: the port between requests and an upstream's HTTP.

In: a GenerateRequest; the bytes that an upstream answers. Out: an HTTP request's path and body;
a Completion, Chunks, or a Problem. Codecs are pure: no clock, no I/O, no key. Whatever an upstream
answers, a codec gives a value or raises a Problem, and nothing else.

The caller of a codec (upstream_caller.py) bounds bodies and SSE events, checks content types, and
adds credentials and the operator's headers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from cluster.runtime.problems import Problem
from deployments.contracts.generation import Chunk, Completion, GenerateRequest


@dataclass(frozen=True, slots=True)
class WireRequest:
    """`path` begins with a slash and follows the upstream's base URL; `body` is JSON. `headers`
    are those that the wire format needs beside Content-Type, Accept and the credential's.
    """

    path: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


class StreamDecoder(Protocol):
    """Decodes the events of one stream, in their order.

    The last chunk of each choice has its `finish_reason`, the very last chunk of the stream `usage`
    (estimated, and marked so, where the upstream reports none), as `Chunk` says: a decoder holds
    the last finish back until it knows the usage. Each chunk's `tokens` is estimated, the first
    one's `prompt_tokens` too. `ended`: the stream has come to its end, and whatever follows is to
    be left unread.
    """

    ended: bool

    def feed(self, event: str, data: bytes) -> Sequence[Chunk]:
        """The chunks of one SSE event: its name (empty: none) and its data, lines joined by a
        line feed. Raises a Problem for an error that the upstream reports in the stream, for
        invalid data, and for more text than the request's maximum can be.
        """
        ...

    def finish(self) -> Sequence[Chunk]:
        """The chunks that were held back, once, when the body has ended (or `ended` is true).
        Raises UpstreamFailed where the stream was cut before every choice had finished.
        """
        ...


class WireCodec(Protocol):
    """One engine's wire format, for one model (its id in Mobula and its options). `provider` is
    gen_ai's name of who speaks it."""

    provider: str

    def encode(self, request: GenerateRequest, source: str, *, stream: bool) -> WireRequest:
        """`source` is the model's name at the upstream. Raises UnsupportedParameter, which names
        the field that the model's capabilities do not have, InvalidRequest, and PromptTooLong.
        """
        ...

    def decode(self, request: GenerateRequest, body: bytes) -> Completion:
        """The answer in `body`, of status 200. `Completion.model` stays empty. Raises
        UpstreamFailed for what cannot be read, or `problem` for a body that reports an error.
        """
        ...

    def decoder(self, request: GenerateRequest) -> StreamDecoder:
        """For the events of one stream."""
        ...

    def problem(self, status: int, headers: Mapping[str, str], body: bytes) -> Problem:
        """What an error answer means for the caller (errors.py has the common mapping). `headers`
        have lower-case names. Never quotes a key, a URL, or the upstream's account.
        """
        ...
