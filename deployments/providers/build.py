"""Makes the models of providers out of their settings.

In: specs, the environment with the keys, and the egress. Out: models and embedders by id. Models
share the connections to an endpoint where their limits are equal.
"""

from collections.abc import Mapping
from hashlib import blake2b

from cluster.balancing.replica_set import ReplicaSet
from cluster.runtime.clock import Clock
from deployments.contracts.generation import ModelCard
from deployments.providers.anthropic.codec import AnthropicCodec
from deployments.providers.anthropic.request import AnthropicOptions
from deployments.providers.credentials import Credential
from deployments.providers.http.egress import Egress
from deployments.providers.http.limits import HttpLimits
from deployments.providers.http.pool import ConnectionPool
from deployments.providers.openai.codec import OpenAICodec
from deployments.providers.openai.encode import OpenAIOptions
from deployments.providers.provider_embedder import ProviderEmbedder
from deployments.providers.provider_model import ProviderModel
from deployments.providers.spec import (
    BASE_URLS,
    EndpointSpec,
    ProviderEmbeddingSpec,
    ProviderSpec,
    UpstreamSpec,
)
from deployments.providers.upstream import Upstream
from deployments.providers.upstream_caller import UpstreamCaller
from deployments.providers.wire import WireCodec

UNKNOWN_CONTEXT = 131_072  # tokens, of a card where the operator gives no length
_KEY_HEADERS = {"openai": "authorization", "anthropic": "x-api-key"}
_NEWER_FIELD = ("openai", "azure")  # providers that want the newer field


class ModelBuilder:
    """Makes models for one event loop. `upstreams` are those of all models made so far."""

    def __init__(self, egress: Egress, environment: Mapping[str, str], clock: Clock) -> None:
        self._egress = egress
        self._environment = environment
        self._clock = clock
        self._pools: dict[tuple[str, str, int, HttpLimits], ConnectionPool] = {}
        self._credentials: dict[tuple[str, str | None, str | None], Credential] = {}

    def text_model(
        self, spec: ProviderSpec, *, context_length: int | None = None, created: int = 0
    ) -> ProviderModel:
        """`context_length`: what the provider says. Raises UnsafeUrl."""
        caller = self._caller(spec, spec.engine)
        card = _card(spec, spec.engine, spec.context_length or context_length, created)
        return ProviderModel(
            card, text_codec(spec), caller, spec.resilience, self._clock, spec.max_output_tokens
        )

    def embedder(self, spec: ProviderEmbeddingSpec) -> ProviderEmbedder:
        """Raises UnsafeUrl."""
        return ProviderEmbedder(
            _card(spec, spec.engine, spec.context_length, 0),
            self._caller(spec, spec.engine),
            spec.resilience,
            self._clock,
            batch=spec.batch,
            has_dimensions=spec.dimensions,
        )

    def upstreams(self, spec: EndpointSpec, engine: str) -> list[Upstream]:
        """Of a model, or of a discovery."""
        named = spec.upstreams or (UpstreamSpec(),)
        return [
            self._upstream(spec, engine, upstream, number) for number, upstream in enumerate(named)
        ]

    def close(self) -> None:
        for pool in self._pools.values():
            pool.close()

    def _caller(self, spec: EndpointSpec, engine: str) -> UpstreamCaller:
        replicas = ReplicaSet(spec.routing_spec, self._clock)
        return UpstreamCaller(spec.id, self.upstreams(spec, engine), replicas, self._clock)

    def _upstream(
        self, spec: EndpointSpec, engine: str, upstream: UpstreamSpec, number: int
    ) -> Upstream:
        endpoint = self._egress.endpoint(base_url(spec, upstream, engine))
        limits = _limits(spec)
        location = endpoint.location
        key = (location.scheme, location.host, location.port, limits)
        pool = self._pools.get(key)
        if pool is None:
            pool = self._pools[key] = ConnectionPool(self._egress, endpoint, limits)
        return Upstream(
            f"{number}:{endpoint.host_header}",
            upstream.source or spec.source or spec.id,
            endpoint,
            pool,
            self._credential(spec, upstream, spec.key_header or _KEY_HEADERS[engine]),
            {**spec.headers, **upstream.headers},
            {**spec.query, **upstream.query},
            upstream.weight,
        )

    def _credential(self, spec: EndpointSpec, upstream: UpstreamSpec, header: str) -> Credential:
        has_own = upstream.key_env is not None or upstream.key_file is not None
        source = upstream if has_own else spec
        key = (header, source.key_env, source.key_file)
        found = self._credentials.get(key)
        if found is None:
            found = Credential(header, self._environment, source.key_env, source.key_file)
            self._credentials[key] = found
        return found


def base_url(spec: EndpointSpec, upstream: UpstreamSpec, engine: str) -> str:
    return upstream.base_url or spec.base_url or BASE_URLS[engine]


def provider_name(spec: EndpointSpec, engine: str) -> str:
    """The name in reports: the configured one, or the host of the first upstream."""
    if spec.provider is not None:
        return spec.provider
    url = base_url(spec, (spec.upstreams or (UpstreamSpec(),))[0], engine)
    host = url.partition("://")[2].partition("/")[0].rpartition("@")[2]
    known = {BASE_URLS[name].partition("://")[2].partition("/")[0]: name for name in BASE_URLS}
    return known.get(host, host.partition(":")[0] or host)


def text_codec(spec: ProviderSpec) -> WireCodec:
    """The wire format of the spec's engine."""
    if spec.engine == "anthropic":
        limit, refuses = spec.max_output_tokens, spec.over_limit == "refuse"
        options = AnthropicOptions(spec.id, limit, refuses, spec.formats)
        return AnthropicCodec(options, spec.capability_set)
    return _openai_codec(spec)


def _openai_codec(spec: ProviderSpec) -> OpenAICodec:
    field = spec.max_tokens_field
    if field is None:
        name = provider_name(spec, spec.engine)
        is_newer = name in _NEWER_FIELD or name.endswith(".openai.azure.com")
        field = "max_completion_tokens" if is_newer else "max_tokens"
    options = OpenAIOptions(
        spec.id,
        field,
        spec.max_output_tokens,
        spec.over_limit == "refuse",
        spec.stream_usage,
        spec.guided,
    )
    return OpenAICodec(options, spec.capability_set)


def _limits(spec: EndpointSpec) -> HttpLimits:
    timeouts = spec.timeouts
    return HttpLimits(
        connections=spec.max_connections,
        connect_s=timeouts.connect_s,
        first_byte_s=timeouts.first_byte_s,
        idle_s=timeouts.idle_s,
        max_body_bytes=spec.max_answer_mib << 20,
        max_stream_bytes=spec.max_stream_mib << 20,
    )


def _card(spec: EndpointSpec, engine: str, context_length: int | None, created: int) -> ModelCard:
    """The revision covers where the model is asked and how, as cached responses depend on it."""
    named = spec.upstreams or (UpstreamSpec(),)
    where = [
        (base_url(spec, each, engine), each.source or spec.source or spec.id) for each in named
    ]
    endpoints = repr((sorted(set(where)), sorted(spec.headers.items()), sorted(spec.query.items())))
    digest = blake2b(endpoints.encode(), digest_size=6).hexdigest()
    return ModelCard(
        id=spec.id,
        engine=engine,
        source=where[0][1],
        revision=f"{spec.revision}-{digest}" if spec.revision else digest,
        context_length=context_length or UNKNOWN_CONTEXT,
        created=created,
        description=spec.description,
        capabilities=spec.capability_set if isinstance(spec, ProviderSpec) else frozenset(),
        provider=provider_name(spec, engine),
        max_image_edge=_image_edge(spec),
    )


def _image_edge(spec: EndpointSpec) -> int:
    is_taken = isinstance(spec, ProviderSpec) and "images" in spec.capability_set
    return spec.max_image_edge if is_taken and isinstance(spec, ProviderSpec) else 0
