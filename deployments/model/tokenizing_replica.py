"""The methods of a replica whose model has a tokenizer that callers may use.

In: TokenizeRequests, DetokenizeRequests. Out: ids, text, or a Problem.
"""

from typing import Any, Protocol

from cluster.runtime.problems import Problem
from deployments.clients.link.methods import DETOKENIZE, TOKENIZE, Handler, LinkMethod
from deployments.contracts.tokenization import (
    Detokenization,
    DetokenizeRequest,
    Tokenization,
    TokenizeRequest,
)
from deployments.model.errors import as_response
from deployments.model.text.tokenization import TokenizationService


class _HasTokenizer(Protocol):
    tokenization: TokenizationService


class TokenizingReplica:
    """A base of replicas, which set `_model`."""

    _model: _HasTokenizer

    async def tokenize(self, request: TokenizeRequest) -> Tokenization | Problem:
        """Returns problems: of what is raised, Serve logs the whole traceback."""
        return await as_response(self._model.tokenization.tokenize(request), request)

    async def detokenize(self, request: DetokenizeRequest) -> Detokenization | Problem:
        return await as_response(self._model.tokenization.detokenize(request), request)

    def _tokenizer_methods(self) -> dict[LinkMethod[Any, Any], Handler]:
        """For the replica's links."""
        return {TOKENIZE: self.tokenize, DETOKENIZE: self.detokenize}
