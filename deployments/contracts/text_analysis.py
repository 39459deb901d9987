"""Text analysis as it crosses stages: texts and the names of operations in, results out.

These values are pickled, or sent over links as msgpack, between processes on every call; results
are values of JSON. They know nothing of HTTP, of models and of Ray.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from cluster.runtime.pickle_compat import version_tolerant
from cluster.tenants.caller import Caller, Priority

MAX_TEXTS = 64  # of one call
MAX_CHARACTERS = 100_000  # code points of one text
NO_WORDS = "There are no words."  # the reason of a result without a value
TEXT = "text"  # the name of this work in usage, limits and logs


@version_tolerant
@dataclass(frozen=True, slots=True)
class TextPart:
    """A part of a text, from `start` up to `end` in code points, and its characters as `text`.
    `kind` says what it is, `score` how sure that is, from 0 to 1 (None: not known)."""

    start: int
    end: int
    text: str
    kind: str = ""
    score: float | None = None


@version_tolerant
@dataclass(frozen=True, slots=True)
class OperationResult:
    """What one operation says of one text.

    `by` is `name@version` of what judged. `value` is of JSON's values; None: the text gives no
    ground for one, and `reasons` says why. `confidence` is from 0 to 1 (None: not known).
    Not `supported`: the operation is not installed or does not take the text's language; then
    `reasons` has the one reason, and `install` what would make it work.
    """

    by: str
    value: Any = None
    reasons: tuple[str, ...] = ()
    spans: tuple[TextPart, ...] = ()
    confidence: float | None = None
    supported: bool = True
    install: str = ""

    def body(self) -> dict[str, Any]:
        """As HTTP and Python handles answer it."""
        if not self.supported:
            reason = self.reasons[0] if self.reasons else "It is not supported."
            body: dict[str, Any] = {"supported": False, "reason": reason, "by": self.by}
            return body | {"install": self.install} if self.install else body
        return {
            "supported": True,
            "value": self.value,
            "confidence": self.confidence,
            "reasons": list(self.reasons),
            "spans": [span_body(span) for span in self.spans],
            "by": self.by,
        }


def span_body(span: TextPart) -> dict[str, Any]:
    """A span as it is answered."""
    body: dict[str, Any] = {"start": span.start, "end": span.end, "text": span.text}
    if span.kind:
        body["kind"] = span.kind
    if span.score is not None:
        body["score"] = span.score
    return body


def unsupported(by: str, reason: str, install: str = "") -> OperationResult:
    """The result of an operation that cannot judge this text here."""
    return OperationResult(by, reasons=(reason,), supported=False, install=install)


@version_tolerant
@dataclass(frozen=True, slots=True)
class AnalyzeRequest:
    """One call of text analysis: 1 to MAX_TEXTS `texts` and the names of `operations`.

    `options` are by the name of an operation, as JSON. `language` (ISO 639) is that of all texts;
    empty: it is detected for each. `timeout_s` is the rest of the caller's deadline at the time of
    sending. `trace` is the call's span, `trace_state` as in GenerateRequest.
    """

    request_id: str
    caller: Caller
    texts: tuple[str, ...]
    operations: tuple[str, ...]
    options: Mapping[str, Any] = field(default_factory=dict)
    language: str = ""
    timeout_s: float = 60.0
    priority: Priority = Priority.STANDARD
    trace: str = ""
    trace_state: str = ""

    @property
    def model(self) -> str:
        """What log lines and problems name."""
        return TEXT

    @property
    def characters(self) -> int:
        return sum(map(len, self.texts))


@version_tolerant
@dataclass(frozen=True, slots=True)
class OperationResults:
    """`results[i]` is what `operation` says of text i."""

    operation: str
    results: tuple[OperationResult, ...]


@version_tolerant
@dataclass(frozen=True, slots=True)
class TextAnalysis:
    """The results of each operation, in the order in which they were asked for."""

    parts: tuple[OperationResults, ...]


class TextEmbedder(Protocol):
    """Turns texts into vectors for analysis."""

    async def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """One row of length 1 a text, in the order of `texts`. Raises Problems."""
        ...


class TextAnalyzer(Protocol):
    """Analyses texts: in this process, or by the Text deployment."""

    async def analyze(self, request: AnalyzeRequest) -> TextAnalysis:
        """Raises Problems: InvalidRequest for an operation or an option that is not known;
        Overloaded; DeadlineExceeded."""
        ...
