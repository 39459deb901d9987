"""The messages of a link, and their msgpack form: an array whose first element is the kind.

In: messages. Out: frames of bytes; and back, validated by their types. A later version may append
fields with defaults; a new kind of message needs a feature (options.py). `call` is the client's
number of a call, which grows. Times are in seconds.

| from   | messages |
|--------|----------|
| client | Hello, Open, Credit, CancelCall |
| server | Welcome, Accept, Item, Items, End, CallFailed, GoAway |
| both   | Ping, Pong, Bye |
"""

from typing import Annotated, Any

from msgspec import DecodeError, Meta, Raw, Struct
from msgspec.msgpack import Decoder, Encoder

from deployments.clients.link.errors import FramingFault
from deployments.clients.link.framing import frame

MAX_CREDIT = 1 << 20

CallNumber = Annotated[int, Meta(ge=1, le=1 << 53)]
Count = Annotated[int, Meta(ge=1, le=MAX_CREDIT)]
Size = Annotated[int, Meta(ge=1024, le=1 << 30)]
Word = Annotated[str, Meta(max_length=64)]
Words = Annotated[tuple[Word, ...], Meta(max_length=64)]
Token = Annotated[bytes, Meta(min_length=16, max_length=64)]


class Hello(Struct, array_like=True, frozen=True, tag=1):
    """The first message: which link this is, and the proof that the client has its secret."""

    link: Word
    nonce: Token
    proof: Token
    features: Words
    max_payload: Size


class Welcome(Struct, array_like=True, frozen=True, tag=2):
    """The answer: the server's proof, what it offers, and how many calls may be open at once."""

    proof: Token
    features: Words
    max_payload: Size
    max_calls: Count
    methods: Words


class Open(Struct, array_like=True, frozen=True, gc=False, tag=3):
    """A call. Its answer must come within `timeout_s`; at most `credit` items may be sent (0: it
    is no stream)."""

    call: CallNumber
    method: Word
    timeout_s: Annotated[float, Meta(ge=0, le=1e7)]
    credit: Annotated[int, Meta(ge=0, le=MAX_CREDIT)]
    body: Any


class Credit(Struct, array_like=True, frozen=True, gc=False, tag=4):
    """So many more items of the stream may be sent."""

    call: CallNumber
    items: Count


class CancelCall(Struct, array_like=True, frozen=True, gc=False, tag=5):
    """The call's caller has left."""

    call: CallNumber


class Accept(Struct, array_like=True, frozen=True, gc=False, tag=6):
    """A sign of life before the answer (feature ACCEPT)."""

    call: CallNumber


class Item(Struct, array_like=True, frozen=True, tag=7):
    call: CallNumber
    body: Any


class Items(Struct, array_like=True, frozen=True, tag=8):
    """Items that became ready together (feature JOIN)."""

    call: CallNumber
    bodies: Annotated[list[Any], Meta(min_length=1)]


class End(Struct, array_like=True, frozen=True, tag=9):
    """The call's result; nil for a stream, whose items came before."""

    call: CallNumber
    body: Any = None


class CallFailed(Struct, array_like=True, frozen=True, tag=10):
    """The call's problem (values.py)."""

    call: CallNumber
    problem: Any


class GoAway(Struct, array_like=True, frozen=True, tag=11):
    """The server takes no new calls; those that are open go on."""


class Ping(Struct, array_like=True, frozen=True, tag=12):
    number: int


class Pong(Struct, array_like=True, frozen=True, tag=13):
    number: int


class Bye(Struct, array_like=True, frozen=True, tag=14):
    """The last message: why the link ends; empty: in order."""

    reason: Annotated[str, Meta(max_length=500)] = ""


Message = (
    Hello
    | Welcome
    | Open
    | Credit
    | CancelCall
    | Accept
    | Item
    | Items
    | End
    | CallFailed
    | GoAway
    | Ping
    | Pong
    | Bye
)


def _plain(value: Any) -> Any:
    """A library's own number or array, as engines may give in place of Python's."""
    if not hasattr(value, "tolist"):
        raise TypeError(f"{type(value).__name__} has no form on a link")
    return value.tolist()


_encoder = Encoder(enc_hook=_plain)
_decoder: Decoder[Message] = Decoder(Message)


def encode_body(body: object) -> Raw:
    """The msgpack form of a body. Raises TypeError, ValueError or OverflowError where it has
    none."""
    return Raw(_encoder.encode(body))


def encode(message: Message) -> bytes:
    """The frame of a message."""
    return frame(_encoder.encode(message))


def decode(payload: bytes) -> Message:
    """Raises FramingFault."""
    try:
        return _decoder.decode(payload)
    except (DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise FramingFault(f"no message of a link: {error}") from None
