"""Classification of texts as it crosses stages: texts or pairs in, a score for each label out."""

from dataclasses import dataclass
from typing import Protocol

from cluster.runtime.pickle_compat import version_tolerant
from cluster.tenants.caller import Caller, Priority
from deployments.contracts.embedding import Vectors
from deployments.contracts.generation import ModelCard, ModelLoad


@version_tolerant
@dataclass(frozen=True, slots=True)
class ClassifyRequest:
    """One call of a classifier: 1 or more `texts`, none of them empty; with a `query`, each text is
    judged together with it. A text beside a query is cut to the room that the model has; without a
    query, one that is longer than the model takes is judged in parts, of which the highest scores
    count.

    `timeout_s` is the rest of the caller's deadline at the time of sending. `trace` is the call's
    span, as in GenerateRequest.
    """

    request_id: str
    caller: Caller
    model: str
    texts: tuple[str, ...]
    query: str | None = None
    timeout_s: float = 60.0
    priority: Priority = Priority.STANDARD
    trace: str = ""
    trace_state: str = ""


@version_tolerant
@dataclass(frozen=True, slots=True, eq=False)
class Classification:
    """`scores[i][j]` is how probable label j is for text i, from 0 to 1.

    `tokens` is counted over all texts by the model's own tokenizer, special tokens included.
    """

    scores: Vectors
    labels: tuple[str, ...]
    tokens: int
    model: str


class Classifier(Protocol):
    """Judges texts: a model in this process, or a handle to one."""

    async def classify(self, request: ClassifyRequest) -> Classification:
        """Raises Problems: UnknownModel; InvalidRequest, which names the text that is empty or the
        query that is too long; Overloaded; ModelFailed; DeadlineExceeded. Cancelling the call
        removes its texts from the queue.
        """
        ...


class ServedClassifier(Classifier, Protocol):
    """A classifier that can describe itself. Both raise Overloaded while no replica is up."""

    async def card(self) -> ModelCard: ...

    async def load(self) -> ModelLoad: ...
