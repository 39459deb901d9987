"""The settings of one model that a provider serves.

In: a mapping from serve_config.yaml. Out: a frozen `ProviderSpec`. It names where keys are, and
never holds one.
"""

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from cluster.balancing.spec import RoutingSpec
from cluster.resilience.spec import ResilienceSpec
from deployments.providers.features import PRESETS, Capability, Preset, expand

ProviderEngine = Literal["openai", "anthropic"]
PROVIDER_ENGINES: tuple[str, ...] = ("openai", "anthropic")
BASE_URLS = {"openai": "https://api.openai.com/v1", "anthropic": "https://api.anthropic.com"}
ID_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,99}$"
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}", re.ASCII)
_VALUE = re.compile(r"[ -~]{0,1000}", re.ASCII)
_SECRET_NAMES = frozenset(
    {
        "authorization",
        "proxy-authorization",
        "api-key",
        "x-api-key",
        "cookie",
        "key",
        "api_key",
        "apikey",
        "token",
        "access_token",
    }
)
_OWN_HEADERS = frozenset(
    {
        "host",
        "content-length",
        "content-type",
        "content-encoding",
        "transfer-encoding",
        "connection",
        "accept-encoding",
        "expect",
        "upgrade",
        "te",
        "trailer",
    }
)


def _check_headers(headers: dict[str, str]) -> dict[str, str]:
    for name, value in headers.items():
        if not _TOKEN.fullmatch(name) or not _VALUE.fullmatch(value):
            raise ValueError(f"'{name[:100]}' is not a header field in printable ASCII")
        if name.lower() in _OWN_HEADERS:
            raise ValueError(f"'{name}' is set by Mobula")
    return _without_keys(headers)


def _check_query(query: dict[str, str]) -> dict[str, str]:
    for name, value in query.items():
        if not _TOKEN.fullmatch(name) or not _VALUE.fullmatch(value):
            raise ValueError(f"'{name[:100]}' is not a parameter in printable ASCII")
    return _without_keys(query)


def _without_keys(fields: dict[str, str]) -> dict[str, str]:
    for name in fields:
        if name.lower() in _SECRET_NAMES:
            raise ValueError(f"'{name}' holds a key; name it with key_env or key_file instead")
    return fields


Headers = Annotated[dict[str, str], AfterValidator(_check_headers), Field(max_length=20)]
Query = Annotated[dict[str, str], AfterValidator(_check_query), Field(max_length=20)]
Url = Annotated[str, Field(min_length=1, max_length=1000)]
Source = Annotated[str, Field(min_length=1, max_length=200)]
Variable = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,99}$")]
File = Annotated[str, Field(min_length=1, max_length=1000)]
Seconds = Annotated[float, Field(gt=0, le=3_600)]


class _Spec(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _KeySource(_Spec):
    """Where a key is: in the environment variable `key_env`, or in the file `key_file`, which is
    read again when it changes. Neither: the upstream takes no key."""

    key_env: Variable | None = None
    key_file: File | None = None

    @model_validator(mode="after")
    def _check_key(self) -> Self:
        if self.key_env is not None and self.key_file is not None:
            raise ValueError("key_env and key_file: give one of them")
        return self


class UpstreamSpec(_KeySource):
    """One endpoint of the provider; what it leaves out is the model's. `weight` is its share under
    the routing policy `weighted`."""

    base_url: Url | None = None
    source: Source | None = None
    headers: Headers = {}
    query: Query = {}
    weight: Annotated[float, Field(ge=0, le=1000)] = 1.0


class TimeoutSpec(_Spec):
    """Seconds: until a connection is up, until an answer begins, between two pieces of it. The
    request's own deadline holds beside them. A connection's first packet is sent again after a
    second, so `connect_s` is enough for one that gets lost."""

    connect_s: Seconds = 3.0
    first_byte_s: Seconds = 120.0
    idle_s: Seconds = 60.0


class DiscoverySpec(_Spec):
    """Serve what the provider lists at `/models`, each as `ID/NAME`, refreshed each `every_s`.
    `include` and `exclude` are patterns of names, with `*` and `?`."""

    include: tuple[Source, ...] = ("*",)
    exclude: tuple[Source, ...] = ()
    every_s: Annotated[float, Field(ge=10, le=86_400)] = 300.0


class EndpointSpec(_KeySource):
    """What models and embedding models of providers share.

    `provider` is the name in reports (None: the host). `max_connections` are open to each upstream
    at once. `check`: ask each upstream for `/models` every 30 s, so that `/health` knows of a
    failure before a request does.
    """

    id: str = Field(pattern=ID_PATTERN, description="The name that requests use in `model`.")
    source: Source | None = Field(default=None, description="The provider's name; None: the id.")
    base_url: Url | None = None
    key_header: Literal["authorization", "api-key", "x-api-key"] | None = None
    headers: Headers = {}
    query: Query = {}
    provider: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")] | None = None
    upstreams: Annotated[tuple[UpstreamSpec, ...], Field(max_length=100)] = ()
    revision: Annotated[str, Field(max_length=100)] | None = Field(
        default=None, description="A change of it makes cached responses worthless."
    )
    timeouts: TimeoutSpec = TimeoutSpec()
    max_connections: Annotated[int, Field(ge=1, le=10_000)] = 256
    max_answer_mib: Annotated[int, Field(ge=1, le=1024)] = 32
    max_stream_mib: Annotated[int, Field(ge=1, le=4096)] = 256
    check: bool = True
    description: str = Field(default="", max_length=500, description="Shown in /v1/models.")
    routing: RoutingSpec = RoutingSpec()
    resilience: ResilienceSpec = ResilienceSpec()

    @model_validator(mode="after")
    def _check_upstreams(self) -> Self:
        if self.upstreams and not any(upstream.weight for upstream in self.upstreams):
            raise ValueError("upstreams: all weights are 0")
        return self

    @property
    def routing_spec(self) -> RoutingSpec:
        """The policy is `weighted` where weights differ and none is named."""
        weights = {upstream.weight for upstream in self.upstreams}
        if len(weights) < 2 or "policy" in self.routing.model_fields_set:
            return self.routing
        return self.routing.model_copy(update={"policy": "weighted"})


class ProviderSpec(EndpointSpec):
    """A text model of a provider.

    `capabilities` are fields of requests that it takes, or a preset of them (features.py); other
    fields are refused by name. `max_tokens_field` is the provider's name for the most tokens (None:
    by provider), `stream_usage`: it reports usage in streams if asked to, `guided`: the fields that
    it takes regular expressions, choices and grammars in; all three of OpenAI's format. `formats`
    is how Anthropic's makes JSON by a schema: natively, or by a tool that has to be called.
    `max_image_edge` is the most pixels of the longer side of a picture that is sent to it.
    """

    engine: ProviderEngine
    context_length: Annotated[int, Field(ge=16)] | None = None
    max_output_tokens: Annotated[int, Field(ge=1)] = 4096
    over_limit: Literal["clamp", "refuse"] = "clamp"
    capabilities: tuple[Capability | Preset, ...] | None = None
    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] | None = None
    stream_usage: bool = True
    guided: Literal["structured_outputs", "guided", "sglang"] = "structured_outputs"
    formats: Literal["native", "tool"] = "tool"
    max_image_edge: Annotated[int, Field(ge=64, le=8_192)] = 1_568
    discover: DiscoverySpec | bool = False

    @property
    def capability_set(self) -> frozenset[str]:
        return PRESETS[self.engine] if self.capabilities is None else expand(self.capabilities)

    @property
    def discovery(self) -> DiscoverySpec | None:
        if isinstance(self.discover, DiscoverySpec):
            return self.discover
        return DiscoverySpec() if self.discover else None


class ProviderEmbeddingSpec(EndpointSpec):
    """An embedding model of a provider. `dimensions`: requests may ask for shorter vectors;
    `batch` texts go in one call."""

    engine: Literal["openai"]
    context_length: Annotated[int, Field(ge=16)] | None = None
    dimensions: bool = False
    batch: Annotated[int, Field(ge=1, le=2048)] = 512
