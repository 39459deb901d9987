"""Text generation as it crosses stages: a request in, a completion or a stream of chunks out.

These values are pickled between processes on every call, so they are frozen, slotted and
shallow. They know nothing of HTTP or of token ids.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from cluster.runtime.numbers import FLOAT32_TINY
from cluster.runtime.pickle_compat import version_tolerant
from cluster.tenants.caller import Caller, Priority
from deployments.contracts.images import DecodedImage, ImageSource

Role = Literal["system", "user", "assistant", "tool"]
FinishReason = Literal["stop", "length", "tool_calls", "content_filter"]
FormatKind = Literal["json_object", "json_schema", "regex", "choice", "grammar"]
ToolMode = Literal["none", "auto", "required"]

GREEDY_BELOW = 0.01
LEAST_TOP_P = 1e-6


@version_tolerant
@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call that a model asks for: `arguments` is the text of a JSON object."""

    id: str
    name: str
    arguments: str


@version_tolerant
@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a chat.

    An assistant's turn may hold `tool_calls`; a turn of role `tool` is the result of the call
    `tool_call_id`. `name` is the participant's, or the tool's. `images` has, for each picture of
    the turn, its place: characters of `content` before it, ascending.
    """

    role: Role
    content: str
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str = ""
    name: str = ""
    images: tuple[int, ...] = ()


@version_tolerant
@dataclass(frozen=True, slots=True)
class Tool:
    """A function that a model may call. `parameters` is the text of its arguments' JSON Schema;
    with `strict` the arguments are held to it.
    """

    name: str
    description: str = ""
    parameters: str = "{}"
    strict: bool = False


@version_tolerant
@dataclass(frozen=True, slots=True)
class ToolSettings:
    """The tools of a request. `name` is the one tool to be called (then `mode` is `required`);
    without `parallel` at most one call is made.
    """

    tools: tuple[Tool, ...] = ()
    mode: ToolMode = "auto"
    name: str = ""
    parallel: bool = True


@version_tolerant
@dataclass(frozen=True, slots=True)
class OutputFormat:
    """What the text of a response must be.

    `definition` is the text of a JSON Schema, a regular expression, a JSON array of strings to
    choose from, or an EBNF grammar; empty for `json_object`. `param` is the request's field that it
    came in, which problems name.
    """

    kind: FormatKind
    definition: str = ""
    param: str = "response_format"


@version_tolerant
@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is chosen. Ranges are checked at the edge (ingress/schemas).

    `max_tokens` None means as many as the context leaves room for. `temperature` 0 is greedy, and
    one below `GREEDY_BELOW` is taken as 0: divided by it, log probabilities leave the range of
    float32, in which engines compute. Likewise `top_p` is at least `LEAST_TOP_P`, and a penalty
    that is 0 as a float32 is 0.
    `top_k` 0 means no limit. `logprobs` is how many alternatives to report with each token
    (0: only the chosen token's own; None: no log probabilities at all). `min_p` drops tokens less
    likely than that share of the likeliest one (0: none). `repetition_penalty` divides positive
    logits of tokens that were seen, and multiplies negative ones (1: no change). `logit_bias` adds
    to the logits of token ids. `stop_token_ids` end the text as the model's own do, and also where
    those are ignored.
    """

    max_tokens: int | None = None
    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    stop: tuple[str, ...] = ()
    seed: int | None = None
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    logprobs: int | None = None
    ignore_eos: bool = False
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    logit_bias: tuple[tuple[int, float], ...] = ()
    stop_token_ids: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.temperature < GREEDY_BELOW:
            object.__setattr__(self, "temperature", 0.0)
        if self.top_p < LEAST_TOP_P:
            object.__setattr__(self, "top_p", LEAST_TOP_P)
        for name in ("presence_penalty", "frequency_penalty"):
            if -FLOAT32_TINY < getattr(self, name) < FLOAT32_TINY:  # also negative zero
                object.__setattr__(self, name, 0.0)


def uses_tools(messages: Sequence[Message], settings: ToolSettings | None) -> bool:
    """Whether tools may be called in this chat, or have been."""
    if settings is not None:
        return True
    for message in messages:  # noqa: SIM110  a generator would cost more than the loop
        if message.tool_calls or message.role == "tool":
            return True
    return False


@version_tolerant
@dataclass(frozen=True, slots=True)
class GenerateRequest:
    """One call of a text model: a chat (`messages`), a raw `prompt`, or a prompt in the model's own
    tokens (`prompt_ids`), exactly one of them.

    `n` choices are generated, choice i with seed `sampling.seed + i` when a seed is given.
    `timeout_s` is the rest of the caller's deadline at the time of sending. A computation
    that several callers share is sent with the longest timeout that any of them may have;
    `start_within_s` is then the longest timeout of the current callers (None: `timeout_s`), and it
    is refused where it would not begin within that. `call` names this attempt at it, unlike
    `request_id`, which clients may choose, in all processes: by it the model reports
    the usage of an abandoned attempt (`SettleRequest`); empty: it is never queried.
    `output_format` constrains the text, `tool_settings` are the tools that may be called. With
    `echo` each choice's text begins with the prompt's, and its log probabilities, if they are asked
    for, with those of the prompt's tokens; `sampling.max_tokens` may be 0 then.
    `trace` is the call's span as a `traceparent` (cluster/tracing); empty: its trace is neither
    sampled nor named by a caller. `trace_state` is that caller's `tracestate`.
    `image_sources` are the pictures of all messages, in order, as the caller gave them; once they
    are decoded, before a cache or model sees the request, `images` are there in their place.
    """

    request_id: str
    caller: Caller
    model: str
    sampling: Sampling
    messages: tuple[Message, ...] = ()
    prompt: str | None = None
    n: int = 1
    timeout_s: float = 60.0
    priority: Priority = Priority.STANDARD
    start_within_s: float | None = None
    call: str = ""
    tool_settings: ToolSettings | None = None
    output_format: OutputFormat | None = None
    prompt_ids: tuple[int, ...] = ()
    echo: bool = False
    trace: str = ""
    trace_state: str = ""
    image_sources: tuple[ImageSource, ...] = ()
    images: tuple[DecodedImage, ...] = ()

    @property
    def tool_bytes(self) -> int:
        """Bytes of UTF-8 of the tools and of the calls in messages."""
        texts = [
            text
            for message in self.messages
            for call in message.tool_calls
            for text in (call.id, call.name, call.arguments)
        ]
        if self.tool_settings is not None:
            for tool in self.tool_settings.tools:
                texts += (tool.name, tool.description, tool.parameters)
        return sum([len(text.encode()) for text in texts])

    @property
    def patience_s(self) -> float:
        """Seconds within which the work must have begun."""
        within_s = self.start_within_s
        return self.timeout_s if within_s is None else min(within_s, self.timeout_s)

    def resent(self, request_id: str, model: str, timeout_s: float) -> "GenerateRequest":
        """The same once more, when `timeout_s` is left; the patience is shorter by as much."""
        within_s = self.start_within_s
        if within_s is not None:
            within_s -= self.timeout_s - timeout_s
        return replace(
            self,
            request_id=request_id,
            model=model,
            timeout_s=timeout_s,
            start_within_s=within_s,
        )


@version_tolerant
@dataclass(frozen=True, slots=True)
class SettleRequest:
    """Asks `replica` for the usage of the abandoned attempt `call`."""

    replica: str
    call: str


@version_tolerant
@dataclass(frozen=True, slots=True)
class TokenUsage:
    """Tokens, counted by the model's own tokenizer; `completion` sums over all choices.
    `cached_tokens` are those of the prompt whose attention state the engine still had,
    `reasoning_tokens` those of the completion that were spent on reasoning. `is_estimated`: a
    provider did not report the counts. `cost` is what a provider says that the call costs, in
    nano-currency of the operator; None: it does not say.
    """

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    is_estimated: bool = False
    cost: int | None = None

    def __add__(self, other: "TokenUsage") -> "TokenUsage":
        return TokenUsage(
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            self.cached_tokens + other.cached_tokens,
            self.reasoning_tokens + other.reasoning_tokens,
            self.is_estimated or other.is_estimated,
            other.cost if self.cost is None else self.cost + (other.cost or 0),
        )


@version_tolerant
@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """Natural-log probability of one token, and of its likeliest alternatives.

    `token` is the token's text (U+FFFD where it is not whole UTF-8), `raw` its exact bytes.
    `logprob` is None for the first token of a prompt: nothing comes before it.
    """

    token: str
    raw: bytes
    logprob: float | None
    top: tuple[tuple[str, bytes, float], ...] = ()


@version_tolerant
@dataclass(frozen=True, slots=True)
class ToolCallDelta:
    """A piece of one tool call: `index` numbers the calls of a choice, `id` and `name` come with
    the first piece, `arguments` is the next part of their text.
    """

    index: int
    id: str = ""
    name: str = ""
    arguments: str = ""


@version_tolerant
@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of one choice's text. Never splits a UTF-8 character.

    `finish_reason` is set on the last chunk of each choice; `usage` on the very last chunk of
    the stream. `tokens` is the number of generated tokens of this chunk, `prompt_tokens` those of
    the prompt, on the stream's first chunk only: the cost of an abandoned stream. `model` is set on
    a stream's first chunk where another model than the requested one responds. `stop` is the stop
    string that ended the text, on the last chunk of a choice. `refusal` and `reasoning` are pieces
    of those texts of a choice. `timing` is Completion.timing, on the very last chunk.
    """

    index: int
    text: str
    finish_reason: FinishReason | None = None
    logprobs: tuple[TokenLogprob, ...] | None = None
    usage: TokenUsage | None = None
    tokens: int = 0
    prompt_tokens: int = 0
    model: str = ""
    tool_calls: tuple[ToolCallDelta, ...] = ()
    stop: str = ""
    refusal: str = ""
    reasoning: str = ""
    timing: tuple[float, ...] = field(default=(), compare=False)


@version_tolerant
@dataclass(frozen=True, slots=True)
class Choice:
    """One finished alternative: text, tool calls, or text before tool calls. `stop` is the stop
    string that ended it (empty: none did). `refusal` is the model's reason not to answer,
    `reasoning` what it wrote before its answer.
    """

    index: int
    text: str
    finish_reason: FinishReason
    logprobs: tuple[TokenLogprob, ...] | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    stop: str = ""
    refusal: str = ""
    reasoning: str = ""


@version_tolerant
@dataclass(frozen=True, slots=True)
class Completion:
    """The `GenerateRequest.n` choices and their usage.

    `timing` is how long the replica took, in seconds: until the first choice left its queue, from
    there to the first token, and from there to the end; empty: not known.
    """

    choices: tuple[Choice, ...]
    usage: TokenUsage
    model: str = ""
    timing: tuple[float, ...] = field(default=(), compare=False)


@version_tolerant
@dataclass(frozen=True, slots=True)
class ModelCard:
    """The description of a loaded model.

    `context_length` counts prompt and output tokens together; `revision` changes when the
    weights do; `created` is Unix seconds. `tool_format` is how it calls tools; empty: not at all.
    `provider` is who serves it over HTTP; empty: this cluster. `max_image_edge` is the most pixels
    of a picture's longer side that it is given; 0: it takes no pictures.
    """

    id: str
    engine: str
    source: str
    revision: str
    context_length: int
    created: int
    parameters: int | None = None
    description: str = ""
    capabilities: frozenset[str] = field(default_factory=frozenset)
    tool_format: str = ""
    provider: str = ""
    max_image_edge: int = 0


@version_tolerant
@dataclass(frozen=True, slots=True)
class ModelLoad:
    """One replica's sequences: those open now, and counts since it started.

    Once nothing is open, `submitted == finished + cancelled + failed` and `handlers == 0`.
    """

    running: int
    waiting: int
    submitted: int
    finished: int
    cancelled: int
    failed: int
    tokens_out: int
    handlers: int
