"""The backends of an ingress replica: models of all kinds, the limiter's authority, the cache.

In: Serve handles, Redis, settings. Out: one client for each, connected before the first request.
"""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Protocol

from ray import serve
from ray.exceptions import RayError
from ray.serve.exceptions import RayServeException
from ray.serve.handle import DeploymentHandle

from cluster.balancing.replica_set import replica_set
from cluster.resilience.spec import BreakerSpec, ResilienceSpec
from cluster.runtime.clock import Clock
from cluster.runtime.problems import Problem
from cluster.runtime.settings import Settings
from deployments.cache.tiers.redis import RedisTier
from deployments.clients.link.link_caller import LinkCaller
from deployments.clients.link.options import LinkOptions, link_options
from deployments.clients.link.pool import LinkPool
from deployments.clients.link.replica_link import LinkSettings
from deployments.clients.model_client import (
    ClassifierClient,
    EmbedderClient,
    MediaReaderClient,
    ModelClient,
    SearchShardClient,
    ServedModelClient,
    TextAnalysisClient,
)
from deployments.clients.replica_caller import ReplicaCaller
from deployments.clients.serve.cache_client import CacheClient
from deployments.clients.serve.handle_caller import HandleCaller
from deployments.clients.serve.limiter_client import LimiterClient
from deployments.clients.serve.link_opener import LinkOpener
from deployments.clients.sharded_search import ShardedSearch
from deployments.contracts.audio import MEDIA
from deployments.contracts.generation import ModelCard
from deployments.contracts.search import SEARCH
from deployments.contracts.text_analysis import TEXT
from deployments.limiter.authority.redis import RedisAuthority
from deployments.limiter.layout import shard_name

# Seconds that a request waits for the authority before it counts as unavailable. A Redis that hangs
# must not be felt; Serve watches the Limiter deployment, which is slow only while it starts.
_PATIENCE_S = {RedisAuthority: 0.1, LimiterClient: 0.8}
_CACHE_TIMEOUT_S = 0.1  # a slower Redis costs a computation, not a response
_READINESS_S = 120.0
_POLL_S = 0.5
_TOKENIZER = ("tokenize", "detokenize")
# Analysis and reading change nothing, so a call may be sent again to the next replica, or to the
# one that takes its place: the breaker does not open, and retries are not rationed.
_RESENT = ResilienceSpec(
    retries=10, retry_share=1.0, breaker=BreakerSpec(min_requests=1_000_000_000)
)


class ServeBackends:
    """No `limiters`: Redis is the authority. No `cache_shards`: the shared cache is Redis where
    `cache_in_redis`, else off. `resilience` is by model id; the default is ResilienceSpec().
    """

    def __init__(
        self,
        models: Mapping[str, DeploymentHandle],
        embedders: Mapping[str, DeploymentHandle],
        limiters: Sequence[DeploymentHandle],
        cache_shards: Sequence[DeploymentHandle],
        resilience: Mapping[str, ResilienceSpec],
        settings: Settings,
        clock: Clock,
        *,
        cache_in_redis: bool,
        by_handle: Collection[str] = (),
        classifiers: Mapping[str, DeploymentHandle] = MappingProxyType({}),
        text: DeploymentHandle | None = None,
        media: DeploymentHandle | None = None,
        search: Sequence[DeploymentHandle] = (),
    ) -> None:
        """`by_handle` are the models whose calls go by handle; the others' go over links. `text` is
        the deployment that analyses texts, `media` the one that opens recordings and pictures,
        `search` those that search collections, by shard."""
        specs, options = defaultdict(ResilienceSpec, resilience), link_options(settings)
        self.models = {
            id: text_client(id, handle, specs[id], clock, None if id in by_handle else options)
            for id, handle in models.items()
        }
        self.embedders = {
            id: embedding_client(id, handle, specs[id], clock, None if id in by_handle else options)
            for id, handle in embedders.items()
        }
        self.classifiers = {
            id: classification_client(
                id, handle, specs[id], clock, None if id in by_handle else options
            )
            for id, handle in classifiers.items()
        }
        self.analyzer = None if text is None else analysis_client(text, clock, options)
        self.media_reader = None if media is None else media_client(media, clock, options)
        shards = [search_client(each, clock, options) for each in search]
        self.collection_search = ShardedSearch(shards) if shards else None
        self.authority: LimiterClient | RedisAuthority
        self.shared: CacheClient | RedisTier | None = None
        redis = settings.redis_url.get_secret_value() if settings.redis_url else ""
        if limiters:
            self.authority = LimiterClient(
                partial(_limiter_handle, limiters), len(limiters), clock, timeout_s=1.0
            )
        else:
            self.authority = RedisAuthority(redis)
        if cache_shards:
            self.shared = CacheClient(cache_shards)
        elif cache_in_redis:
            self.shared = RedisTier(redis, clock, timeout_s=_CACHE_TIMEOUT_S)
        self.patience_s = _PATIENCE_S[type(self.authority)]

    async def warm_up(self) -> None:
        """Connect before the first request."""
        await self.authority.warm_up()
        if isinstance(self.shared, CacheClient):
            await self.shared.warm_up()
        await wait_for_models(self._models())

    async def close(self) -> None:
        """The cache closes its own tiers."""
        for client in self._clients():
            await client.close()
        with contextlib.suppress(OSError):
            await self.authority.close()

    def _models(self) -> list[ServedModelClient]:
        kinds = (self.models, self.embedders, self.classifiers)
        return [client for clients in kinds for client in clients.values()]

    def _clients(self) -> list[ServedModelClient]:
        further = (self.analyzer, self.media_reader)
        search = () if self.collection_search is None else self.collection_search.shards
        return [*self._models(), *(client for client in further if client is not None), *search]


def text_client(
    model: str,
    handle: DeploymentHandle,
    spec: ResilienceSpec,
    clock: Clock,
    links: LinkOptions | None,
) -> ModelClient:
    """The client of a text model's deployment. `links`: of the links that its calls go over, where
    they can be opened; None: by handle."""
    replicas = replica_set(handle.deployment_name)
    handles = HandleCaller(
        model, handle, clock, methods=("generate", "settle", *_TOKENIZER), streams=("stream",)
    )
    caller, pool = _with_links(model, handle, handles, clock, links) if links else (handles, None)
    return ModelClient(model, caller, replicas, spec, clock, pool)


def embedding_client(
    model: str,
    handle: DeploymentHandle,
    spec: ResilienceSpec,
    clock: Clock,
    links: LinkOptions | None,
) -> EmbedderClient:
    """The client of an embedding model's deployment; `links` as for a text model's."""
    replicas = replica_set(handle.deployment_name)
    handles = HandleCaller(model, handle, clock, methods=("embed", *_TOKENIZER))
    caller, pool = _with_links(model, handle, handles, clock, links) if links else (handles, None)
    return EmbedderClient(model, caller, replicas, spec, clock, pool)


def classification_client(
    model: str,
    handle: DeploymentHandle,
    spec: ResilienceSpec,
    clock: Clock,
    links: LinkOptions | None,
) -> ClassifierClient:
    """The client of a classifier's deployment; `links` as for a text model's."""
    replicas = replica_set(handle.deployment_name)
    handles = HandleCaller(model, handle, clock, methods=("classify",))
    caller, pool = _with_links(model, handle, handles, clock, links) if links else (handles, None)
    return ClassifierClient(model, caller, replicas, spec, clock, pool)


def analysis_client(
    handle: DeploymentHandle, clock: Clock, links: LinkOptions
) -> TextAnalysisClient:
    """The client of the deployment that analyses texts. A call waits for a replica as long as one
    takes to be restarted."""
    replicas = replica_set(handle.deployment_name)
    handles = HandleCaller(TEXT, handle, clock, methods=("analyze",))
    caller, pool = _with_links(TEXT, handle, handles, clock, links)
    return TextAnalysisClient(TEXT, caller, replicas, _RESENT, clock, pool)


def media_client(handle: DeploymentHandle, clock: Clock, links: LinkOptions) -> MediaReaderClient:
    """The client of the deployment that opens recordings. A call waits for a replica as long as
    one takes to be restarted."""
    replicas = replica_set(handle.deployment_name)
    methods = ("examine", "measure", "read_images")
    handles = HandleCaller(
        MEDIA, handle, clock, methods=methods, streams=("transcribe", "read_document")
    )
    caller, pool = _with_links(MEDIA, handle, handles, clock, links)
    return MediaReaderClient(MEDIA, caller, replicas, _RESENT, clock, pool)


def search_client(handle: DeploymentHandle, clock: Clock, links: LinkOptions) -> SearchShardClient:
    """The client of a shard that searches collections. A call waits for its replica as long as it
    takes to be restarted."""
    replicas = replica_set(handle.deployment_name)
    handles = HandleCaller(SEARCH, handle, clock, methods=("search_collection",))
    caller, pool = _with_links(SEARCH, handle, handles, clock, links)
    return SearchShardClient(SEARCH, caller, replicas, _RESENT, clock, pool)


def _with_links(
    model: str,
    handle: DeploymentHandle,
    handles: HandleCaller,
    clock: Clock,
    options: LinkOptions,
) -> tuple[ReplicaCaller, LinkPool]:
    replicas = replica_set(handle.deployment_name)
    pool = LinkPool(replicas, LinkSettings(model, LinkOpener(model, handle), options))
    return LinkCaller(model, pool, handles, replicas, clock), pool


def _limiter_handle(bound: Sequence[DeploymentHandle], number: int) -> DeploymentHandle:
    """Of a shard; by name where it was added after this replica was deployed."""
    if number < len(bound):
        return bound[number]
    return serve.get_deployment_handle(shard_name(number), serve.get_replica_context().app_name)


class HasCard(Protocol):
    async def card(self) -> ModelCard: ...


async def wait_for_models(models: Iterable[HasCard], timeout_s: float = _READINESS_S) -> None:
    """Wait for each model's first response, at most `timeout_s`, while other replicas serve.

    A rollout that adds a model starts new ingress replicas beside old ones. A new one that joined
    at once would not be ready until the new model has loaded, and a load balancer that polls
    `/readyz` would have no target. A replica that starts alone, or after a crash, joins at once.
    """
    with contextlib.suppress(TimeoutError):
        if await asyncio.to_thread(_other_replicas_serve):
            async with asyncio.timeout(timeout_s):
                await asyncio.gather(*(_wait_for_card(model) for model in models))


def _other_replicas_serve() -> bool:
    """Whether Serve counts a running replica of this deployment; this one does not run yet."""
    try:
        context = serve.get_replica_context()
        app = serve.status().applications[context.app_name]
        return app.deployments[context.deployment].replica_states.get("RUNNING", 0) > 0
    except (RayError, RayServeException, KeyError):
        return False


async def _wait_for_card(model: HasCard) -> None:
    while True:
        with contextlib.suppress(Problem):
            await model.card()
            return
        await asyncio.sleep(_POLL_S)
