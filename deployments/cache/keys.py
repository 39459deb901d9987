"""Cache keys: MACs of 32 bytes under the tenant's secret, HMAC-SHA256 where they are stored.

In: a tenant's secret, and a request or the bytes of one. Out: a key that reveals nothing of the
request, and that nobody can compute for another tenant's response.

The signed message is a MessagePack array of every field that the response depends on. MessagePack
values carry their type and length, so no two requests share an encoding; floats are written as
floats (1 is 1.0, -0.0 is 0.0); text is not normalised, because a tokenizer distinguishes what
Unicode calls equal; a picture is its digest. The response does not depend on the caller, the
priority or streaming.
"""

import hmac
from collections.abc import Sequence
from dataclasses import astuple, fields
from hashlib import blake2b
from operator import attrgetter
from typing import Any, Final

import msgspec

from cluster.runtime.problems import InvalidRequest
from deployments.contracts.generation import GenerateRequest, Message, Sampling

SCHEMA: Final = 2  # raise it when the encoding, or the content of an entry, changes
SECRET_BYTES: Final = 16  # the minimal length of a secret

_ANSWER, _FRAME, _ALIAS, _ANALYSIS = "answer", "frame", "alias", "analysis"

_floats = attrgetter(*(field.name for field in fields(Sampling) if field.type is float))
_others = attrgetter(*(field.name for field in fields(Sampling) if field.type is not float))
_message = attrgetter(
    *(field.name for field in fields(Message) if field.name not in ("tool_calls", "images"))
)

_encode = msgspec.msgpack.Encoder().encode


def answer_key(
    secret: bytes, request: GenerateRequest, model_state: str, tags: Sequence[str] = ()
) -> bytes:
    """The key of the response to `request`; a stream and a complete response share it.

    `model_state` is everything that the model's responses depend on: engine, revision, adapter,
    chat template, tokenizer. `tags` are part of the key, so that a response that was found has the
    tags of its caller. Raises InvalidRequest for text that is not Unicode or a number outside 64
    bits, ValueError for a secret shorter than 16 bytes.
    """
    messages = list(map(_message_fields, request.messages))
    return _sign_request(secret, _ANSWER, request, model_state, tags, request.prompt, messages)


def semantic_context_key(
    secret: bytes, request: GenerateRequest, model_state: str, tags: Sequence[str] = ()
) -> bytes:
    """The key of everything but the text of the prompt or of the last user message: what two
    requests that are compared by meaning must share. Raises as `answer_key` does.
    """
    messages: list[Any] = list(map(_message_fields, request.messages))
    for index in reversed(range(len(messages))):
        if request.messages[index].role == "user":
            messages[index] = ("user", None)
            break
    has_prompt = request.prompt is not None
    return _sign_request(secret, _FRAME, request, model_state, tags, has_prompt, messages)


def request_bytes_key(secret: bytes, operation: str, raw: bytes) -> bytes:
    """The key of a request body whose response is known.

    `operation` is everything else that the response's key depends on: the route, and the
    fingerprints of the served models. Raises as `answer_key` does. BLAKE2b with a key: it is never
    stored, and a fast path is to be fast.
    """
    encoded = _encoded(secret, (SCHEMA, _ALIAS, operation, raw))
    return blake2b(encoded, key=secret[: blake2b.MAX_KEY_SIZE], digest_size=32).digest()


def analysis_key(secret: bytes, tenant: str, by: str, text: bytes, options: bytes) -> bytes:
    """The key of what one operation says of one text.

    `by` is the operation's name and version, `text` a digest of the text, `options` an encoding of
    everything else that the result depends on. Raises as `answer_key` does.
    """
    return _sign(secret, (SCHEMA, _ANALYSIS, tenant, by, text, options))


def _sign_request(
    secret: bytes,
    kind: str,
    request: GenerateRequest,
    model_state: str,
    tags: Sequence[str],
    prompt: str | bool | None,
    messages: list[Any],
) -> bytes:
    sampling, output_format = request.sampling, request.output_format
    state = " ".join([model_state, *sorted(set(tags))]) if tags else model_state
    signed: tuple[Any, ...] = (
        SCHEMA,
        kind,
        request.caller.tenant,
        request.model,
        state,
        request.n,
        _others(sampling),
        [number + 0.0 for number in _floats(sampling)],
        prompt,
        messages,
        None if request.tool_settings is None else astuple(request.tool_settings),
        None if output_format is None else (output_format.kind, output_format.definition),
        request.prompt_ids,
        request.echo,
    )
    if request.images:
        places = [message.images for message in request.messages]
        signed = (*signed, [image.digest for image in request.images], places)
    return _sign(secret, signed)


def _message_fields(message: Message) -> tuple[Any, ...]:
    calls = [astuple(call) for call in message.tool_calls] if message.tool_calls else ()
    return (*_message(message), calls)


def _sign(secret: bytes, value: tuple[Any, ...]) -> bytes:
    return hmac.digest(secret, _encoded(secret, value), "sha256")


def _encoded(secret: bytes, value: tuple[Any, ...]) -> bytes:
    if len(secret) < SECRET_BYTES:
        raise ValueError(f"a tenant's secret has at least {SECRET_BYTES} bytes")
    try:
        return _encode(value)
    except (UnicodeEncodeError, OverflowError) as error:
        raise InvalidRequest(f"The request cannot be encoded: {error}.") from None
