"""The names under which answers are kept.

In: a tenant's secret, and a request or the bytes of one. Out: 32 bytes, an HMAC-SHA256 under that
secret, so that a name tells nothing and nobody can make the name of another tenant's answer.

What is signed is a MessagePack array of every field that the answer depends on. Its values say
their own type and length, so no two requests share an encoding; floats are written as floats (1 is
1.0, -0.0 is 0.0); text is taken as it is, since a tokenizer tells apart what Unicode calls equal.
Who asked, how urgently, and whether as a stream, the answer does not depend on.
"""

import hmac
from dataclasses import fields
from operator import attrgetter
from typing import Any, Final

import msgspec

from cluster.runtime.problems import InvalidRequest
from deployments.contracts.generation import GenerateRequest, Message, Sampling

SCHEMA: Final = 1  # raise it when the encoding, or what an answer holds, changes
SECRET_BYTES: Final = 16  # the least that a secret may have

_ANSWER, _FRAME, _ALIAS = "answer", "frame", "alias"

_floats = attrgetter(*(field.name for field in fields(Sampling) if field.type is float))
_others = attrgetter(*(field.name for field in fields(Sampling) if field.type is not float))
_message = attrgetter(*(field.name for field in fields(Message)))

_encode = msgspec.msgpack.Encoder().encode


def answer_key(secret: bytes, request: GenerateRequest, model_state: str) -> bytes:
    """The name of the answer to `request`; a stream and a whole answer share it.

    `model_state` is all that makes the model answer as it does: engine, revision, adapter, chat
    template, tokenizer. Raises InvalidRequest for text that is not Unicode or a number that has no
    64 bits, ValueError for a secret shorter than 16 bytes.
    """
    messages = [_message(message) for message in request.messages]
    return _sign(secret, _asked(_ANSWER, request, model_state, request.prompt, messages))


def semantic_context_key(secret: bytes, request: GenerateRequest, model_state: str) -> bytes:
    """The name of everything but the text of the prompt or of the last user message: what two
    requests share that may be compared by meaning. Raises as `answer_key` does.
    """
    messages = [_message(message) for message in request.messages]
    for place in reversed(range(len(messages))):
        if request.messages[place].role == "user":
            messages[place] = ("user", None)
            break
    return _sign(secret, _asked(_FRAME, request, model_state, request.prompt is not None, messages))


def request_bytes_key(secret: bytes, operation: str, raw: bytes) -> bytes:
    """The name of a body that is known to ask for a kept answer.

    `operation` says all else that leads from the bytes to the answer's name: the route, and the
    state of the models that are served. Raises as `answer_key` does.
    """
    return _sign(secret, (SCHEMA, _ALIAS, operation, raw))


def _asked(
    kind: str,
    request: GenerateRequest,
    model_state: str,
    prompt: str | bool | None,
    messages: list[Any],
) -> tuple[Any, ...]:
    sampling = request.sampling
    return (
        SCHEMA,
        kind,
        request.caller.tenant,
        request.model,
        model_state,
        request.n,
        _others(sampling),
        [number + 0.0 for number in _floats(sampling)],
        prompt,
        messages,
    )


def _sign(secret: bytes, value: tuple[Any, ...]) -> bytes:
    if len(secret) < SECRET_BYTES:
        raise ValueError(f"a tenant's secret has at least {SECRET_BYTES} bytes")
    try:
        encoded = _encode(value)
    except (UnicodeEncodeError, OverflowError) as error:
        raise InvalidRequest(f"The request cannot be written down: {error}.") from None
    return hmac.digest(secret, encoded, "sha256")
