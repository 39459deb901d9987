"""The semantic cache of one ingress replica: the key of a response to a similar request.

    near -> serve it (and check some in the background), or compute -> observe, learn

In: texts with their context (everything else that two requests must share), and whether responses
were the same. Out: the key of a response, and whether it may be served. It holds vectors and keys,
no texts and no responses, and never compares requests of different tenants.
"""

import hashlib
import uuid
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from random import Random

import numpy as np

from cluster.runtime.problems import Problem
from cluster.tenants.caller import Caller
from deployments.cache.semantic.error_bound import (
    SimilarityCalibrations,
    ThresholdEstimator,
    upper_bound,
)
from deployments.cache.semantic.index import IndexedRequest, Vector, VectorIndex
from deployments.cache.semantic.literals import exact_match_tokens
from deployments.contracts.embedding import Embedder, EmbedRequest

Embed = Callable[[str, str], Awaitable[Vector]]

_VECTORS = 512  # of recent texts, so that learning does not embed again
_MIN_SIMILARITY = 0.55
_LONGEST_TEXT = 8_192  # characters; longer ones are seldom paraphrased


@dataclass(frozen=True, slots=True)
class NearestMatch:
    """The remembered request that is most similar to this one.

    `key` is its response's. `serve`: serve that; if `check`, also compute in the background. Unless
    it was served without a check, `observe` must be told whether both responses are the same.
    `wrong` is the predicted probability that the response is wrong.
    """

    key: bytes
    similarity: float
    serve: bool
    check: bool
    wrong: float
    entry: IndexedRequest = field(repr=False)


@dataclass(frozen=True, slots=True)
class SemanticCacheStats:
    """Semantic caching of one tenant, since this replica started or the tenant was cleared.

    `compared` counts requests with a remembered neighbour, `hits` those that got its response,
    `checks` the hits that were computed as well, `errors` those with another response. `error` is
    their share (None without checks), `error_upper` its one-sided 95 % upper bound, `bound` the
    guarantee. `cut` is the largest predicted probability of being wrong that is served now; 0 while
    there is too little evidence.
    """

    entries: int
    compared: int
    hits: int
    checks: int
    errors: int
    error: float | None
    error_upper: float
    bound: float
    cut: float


class _TenantState:
    """What was learned from one tenant's traffic, and its counts."""

    def __init__(self, bound: float) -> None:
        self.curves = SimilarityCalibrations()
        self.evidence = ThresholdEstimator(bound)
        self.compared = self.hits = self.checks = self.errors = 0


class SemanticCache:
    """`bound` is the largest share of served responses that may be wrong.

    `embed` takes a tenant and a text and returns a vector of length 1; a text for which it raises a
    Problem, or a very long one, has no neighbours and is not remembered. `shadow` is the share of
    hits that is checked. State is held for at most `tenants` tenants.
    """

    def __init__(
        self,
        embed: Embed,
        random: Random,
        *,
        bound: float = 0.01,
        shadow: float = 0.1,
        index: VectorIndex | None = None,
        tenants: int = 1_000,
    ) -> None:
        self._embed = embed
        self._random = random
        self._bound = bound
        self._shadow = shadow
        self._index = index or VectorIndex()
        self._most_tenants = tenants
        self._tenants: OrderedDict[str, _TenantState] = OrderedDict()
        self._vectors: OrderedDict[bytes, Vector] = OrderedDict()

    async def near(self, tenant: str, context: bytes, text: str) -> NearestMatch | None:
        """The nearest remembered request, or None if none is similar."""
        vector = await self._vector(tenant, text)
        if vector is None:
            return None
        nearest = self._index.nearest(tenant, context + exact_match_tokens(text), vector)
        if nearest is None or nearest[1] < _MIN_SIMILARITY:
            return None
        entry, similarity = nearest
        state = self._tenant(tenant)
        wrong = state.curves.wrong(entry.curve, similarity)
        state.compared += 1
        serve = wrong <= state.evidence.threshold
        state.hits += serve
        check = serve and self._random.random() < self._shadow
        return NearestMatch(entry.key, similarity, serve, check, wrong, entry)

    async def learn(self, tenant: str, context: bytes, text: str, key: bytes) -> None:
        """Remember a request whose response is cached under `key`: one without a neighbour, or
        whose response was not the same."""
        vector = await self._vector(tenant, text)
        if vector is not None:
            self._index.add(tenant, context + exact_match_tokens(text), vector, key)

    def observe(self, near: NearestMatch, same: bool) -> None:
        """Learn whether the computed response is the same as the remembered one."""
        state = self._tenant(near.entry.tenant)
        if near.serve:
            state.checks += 1
            state.errors += not same
        state.evidence.learn(near.wrong, same)
        state.curves.learn(near.entry.curve, near.similarity, same)

    def forget(self, near: NearestMatch) -> None:
        """Its response is gone: remove it from the index, and do not count the hit."""
        self._index.remove(near.entry)
        self._tenant(near.entry.tenant).hits -= near.serve

    def clear(self, tenant: str) -> None:
        """Forget the tenant's requests, and what was learned from them."""
        self._index.clear(tenant)
        self._tenants.pop(tenant, None)

    def report(self, tenant: str) -> SemanticCacheStats:
        state = self._tenants.get(tenant) or _TenantState(self._bound)
        return SemanticCacheStats(
            entries=self._index.entries(tenant),
            compared=state.compared,
            hits=state.hits,
            checks=state.checks,
            errors=state.errors,
            error=state.errors / state.checks if state.checks else None,
            error_upper=upper_bound(state.errors, state.checks),
            bound=self._bound,
            cut=state.evidence.threshold,
        )

    def _tenant(self, tenant: str) -> _TenantState:
        state = self._tenants.get(tenant)
        if state is None:
            state = self._tenants[tenant] = _TenantState(self._bound)
            if len(self._tenants) > self._most_tenants:
                self.clear(next(iter(self._tenants)))
        self._tenants.move_to_end(tenant)
        return state

    async def _vector(self, tenant: str, text: str) -> Vector | None:
        if len(text) > _LONGEST_TEXT:
            return None
        name = hashlib.blake2b(f"{tenant}\0{text}".encode(), digest_size=16).digest()
        vector = self._vectors.get(name)
        if vector is None:
            try:
                vector = self._vectors[name] = await self._embed(tenant, text)
            except Problem:
                return None
            if len(self._vectors) > _VECTORS:
                self._vectors.popitem(last=False)
        return vector


def embed_with(embedder: Embedder, model: str, timeout_s: float = 1.0) -> Embed:
    """Embeds with `model`, without charging the tenant. Raises the embedder's Problems, such as
    for a text that is too long for the model."""

    async def embed(tenant: str, text: str) -> Vector:
        caller = Caller(tenant, "semantic-cache", frozenset())
        name = f"semantic-{uuid.uuid4().hex}"
        result = await embedder.embed(EmbedRequest(name, caller, model, (text,), timeout_s))
        vector = result.vectors[0]
        return np.asarray(vector / max(float(np.linalg.norm(vector)), 1e-12), dtype=np.float32)

    return embed
