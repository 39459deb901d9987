"""The semantic cache of one ingress replica: a remembered answer's key for a request like it.

    near -> serve it (and check some in the background), or compute -> observe, learn

In: texts in their frame (everything else that two requests must share), and whether answers turned
out the same. Out: the key of an answer, and whether it may be given. It holds vectors and keys,
no texts and no answers, and nothing of one tenant is compared with another's.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from random import Random

from cluster.runtime.problems import Problem
from deployments.cache.semantic.error_bound import (
    SimilarityCalibrations,
    ThresholdEstimator,
    upper_bound,
)
from deployments.cache.semantic.index import IndexedRequest, Vector, VectorIndex
from deployments.cache.semantic.literals import exact_match_tokens

Embed = Callable[[str, str], Awaitable[Vector]]

_VECTORS = 512  # of texts seen lately, so that learning does not embed again
_MIN_SIMILARITY = 0.55
_LONGEST_TEXT = 8_192  # characters; longer ones seldom come again in other words


@dataclass(frozen=True, slots=True)
class NearestMatch:
    """The remembered request that is most like this one.

    `key` is where its answer is. `serve`: give it; if `check`, compute as well, in the background.
    Unless it was served without a check, tell `observe` whether both answers are the same.
    `wrong` is the probability of a wrong answer that was foretold.
    """

    key: bytes
    similarity: float
    serve: bool
    check: bool
    wrong: float
    entry: IndexedRequest = field(repr=False)


@dataclass(frozen=True, slots=True)
class SemanticCacheStats:
    """How semantic caching does for one tenant, since this replica started or it was cleared.

    `compared` counts requests that met a remembered one, `hits` those that got its answer,
    `checks` the hits that were computed as well, `errors` those whose answer was another. `error`
    is measured on them (None without checks), `error_upper` its one-sided 95 % upper bound,
    `bound` what was promised. `cut` is the largest foretold probability of being wrong that is
    served now; 0 while evidence is lacking.
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
    """What is learned of one tenant's traffic, and counts."""

    def __init__(self, bound: float) -> None:
        self.curves = SimilarityCalibrations()
        self.evidence = ThresholdEstimator(bound)
        self.compared = self.hits = self.checks = self.errors = 0


class SemanticCache:
    """`bound` is the largest share of served answers that may be wrong.

    `embed` takes a tenant and a text and gives a vector of length 1; a text for which it raises a
    Problem, or a very long one, has no neighbours and is not remembered.
    `shadow` is the share of hits that is checked. At most `tenants` are learned about.
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

    async def near(self, tenant: str, frame: bytes, text: str) -> NearestMatch | None:
        """The nearest remembered request, or None if nothing is like it."""
        vector = await self._vector(tenant, text)
        if vector is None:
            return None
        found = self._index.nearest(tenant, frame + exact_match_tokens(text), vector)
        if found is None or found[1] < _MIN_SIMILARITY:
            return None
        entry, similarity = found
        state = self._tenant(tenant)
        wrong = state.curves.wrong(entry.curve, similarity)
        state.compared += 1
        serve = wrong <= state.evidence.threshold
        state.hits += serve
        check = serve and self._random.random() < self._shadow
        return NearestMatch(entry.key, similarity, serve, check, wrong, entry)

    async def learn(self, tenant: str, frame: bytes, text: str, key: bytes) -> None:
        """Remember a request whose answer is kept under `key`. For one that nothing was near to,
        or whose answer was not the same."""
        vector = await self._vector(tenant, text)
        if vector is not None:
            self._index.add(tenant, frame + exact_match_tokens(text), vector, key)

    def observe(self, near: NearestMatch, same: bool) -> None:
        """Whether the answer that was computed is the same as the remembered one."""
        state = self._tenant(near.entry.tenant)
        if near.serve:
            state.checks += 1
            state.errors += not same
        state.evidence.learn(near.wrong, same)
        state.curves.learn(near.entry.curve, near.similarity, same)

    def forget(self, near: NearestMatch) -> None:
        """Its answer is gone: never name it again, and this was no hit."""
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
