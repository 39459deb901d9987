"""The typed form of models that providers serve, in `args` of serve_config.yaml.

They are listed among `models` and `embeddings`, and told from the cluster's own by `engine`.
"""

from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag

from cluster.net.ssrf import UnsafeUrl
from cluster.tenants.units import Unit
from deployments.model.engines.registry import AUTO, ENGINES
from deployments.providers.build import base_url
from deployments.providers.config import ProvidersConfig
from deployments.providers.http.egress import parse_endpoint
from deployments.providers.spec import (
    PROVIDER_ENGINES,
    ProviderEmbeddingSpec,
    ProviderSpec,
    UpstreamSpec,
)

_LOCAL, _PROVIDER = "local", "provider"


class EgressArgs(BaseModel):
    """Which hosts providers' upstreams may be, beside public ones over https.

    `private_hosts` are names or addresses of your own network, or of this machine: plain http and
    every port are allowed there. Link-local and metadata addresses never are.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    private_hosts: tuple[Annotated[str, Field(min_length=1, max_length=253)], ...] = ()


class _Priced(BaseModel):
    """The operator's `costs` in micro-currency for 1,000 of a unit, where the provider does not say
    what a call costs."""

    costs: dict[Unit, Annotated[int, Field(ge=0, le=10**9)]] = {}


class ProviderModelArgs(ProviderSpec, _Priced):
    """A text model of a provider; it runs in the ingress and reserves nothing."""


class ProviderEmbeddingArgs(ProviderEmbeddingSpec, _Priced):
    """An embedding model of a provider."""


ExternalArgs = ProviderModelArgs | ProviderEmbeddingArgs


def _kind(value: Any) -> str:
    engine = value.get("engine") if isinstance(value, dict) else getattr(value, "engine", None)
    return _PROVIDER if engine in PROVIDER_ENGINES else _LOCAL


BY_ENGINE = Discriminator(_kind)
LOCAL, PROVIDER = Tag(_LOCAL), Tag(_PROVIDER)


def check_engine(value: Any) -> Any:
    """Names all engines, of both kinds, where a text model's is none of them."""
    engine = value.get("engine") if isinstance(value, dict) else None
    names = (AUTO, *ENGINES, *PROVIDER_ENGINES)
    if isinstance(engine, str) and engine not in names:
        raise ValueError(f"engine is '{engine[:100]}'; there are {', '.join(names)}")
    return value


def check_urls(models: Iterable[ExternalArgs], egress: EgressArgs) -> None:
    """Raises ValueError for a URL that may not be reached."""
    for model in models:
        for upstream in model.upstreams or (UpstreamSpec(),):
            try:
                parse_endpoint(base_url(model, upstream, model.engine), egress.private_hosts)
            except UnsafeUrl as unsafe:
                raise ValueError(f"'{model.id}': {unsafe.detail}") from None


def providers_config(
    models: Iterable[ProviderModelArgs],
    embeddings: Iterable[ProviderEmbeddingArgs],
    egress: EgressArgs,
) -> ProvidersConfig:
    """What is not set stays so: it decides about some defaults."""
    return ProvidersConfig(
        tuple(map(_dumped, models)), tuple(map(_dumped, embeddings)), egress.private_hosts
    )


def _dumped(model: ExternalArgs) -> dict[str, Any]:
    return model.model_dump(mode="json", exclude_unset=True, exclude={"costs"})
