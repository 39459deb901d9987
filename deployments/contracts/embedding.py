"""Text embeddings as they cross stages: texts or token ids in, one vector for each out.

These values are pickled between processes on every call; vectors travel as one array, which
pickle's protocol 5 copies once. They know nothing of HTTP.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cluster.runtime.pickle_compat import version_tolerant
from cluster.tenants.caller import Caller, Priority
from deployments.contracts.generation import ModelCard, ModelLoad

Vectors = NDArray[np.float32]


@version_tolerant
@dataclass(frozen=True, slots=True)
class EmbedRequest:
    """One call of an embedding model: 1 or more `texts`, none of them empty, or `token_ids` of the
    model's own tokenizer, special tokens included.

    `dimensions` requests shorter vectors; only some models have them. `timeout_s` is the rest of
    the caller's deadline at the time of sending. `input_types` says what the texts are (`query`,
    `document` ...): one for all or one for each; a model that has a prompt for one puts it before
    the text. `truncate`: a text that is longer than the model takes is cut, not refused.
    `trace` is the call's span, `trace_state` as in GenerateRequest.
    """

    request_id: str
    caller: Caller
    model: str
    texts: tuple[str, ...]
    timeout_s: float = 60.0
    priority: Priority = Priority.STANDARD
    dimensions: int | None = None
    token_ids: tuple[tuple[int, ...], ...] = ()
    input_types: tuple[str, ...] = ()
    truncate: bool = False
    trace: str = ""
    trace_state: str = ""


@version_tolerant
@dataclass(frozen=True, slots=True, eq=False)
class Embeddings:
    """`vectors[i]` is the vector of text i: float32, of shape (texts, dimensions).

    `tokens` is counted over all texts by the model's own tokenizer, special tokens included.
    """

    vectors: Vectors
    tokens: int
    model: str


class Embedder(Protocol):
    """Turns texts into vectors: a model in this process, or a handle to one."""

    async def embed(self, request: EmbedRequest) -> Embeddings:
        """Raises Problems: UnknownModel; InvalidRequest, which names the text that is empty or too
        long; UnsupportedParameter for dimensions that the model does not have; Overloaded;
        ModelFailed; DeadlineExceeded. Cancelling the call removes its texts from the queue.
        """
        ...


class ServedEmbedder(Embedder, Protocol):
    """An embedder that can describe itself. Both raise Overloaded while no replica is up."""

    async def card(self) -> ModelCard: ...

    async def load(self) -> ModelLoad: ...
