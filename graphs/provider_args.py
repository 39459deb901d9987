"""The typed form of models that providers serve, in `args` of serve_config.yaml.

They are listed among `models` and `embeddings`, and told from the cluster's own by `engine`.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from cluster.net.ssrf import UnsafeUrl
from cluster.tenants.price_list import PriceList
from deployments.ingress.names.spec import ServedName
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


class EgressArgs(BaseModel):
    """Which hosts providers' upstreams may be, beside public ones over https.

    `private_hosts` are names or addresses of your own network, or of this machine: plain http and
    every port are allowed there. Link-local and metadata addresses never are.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    private_hosts: tuple[Annotated[str, Field(min_length=1, max_length=253)], ...] = ()


class _External(BaseModel):
    """`served_names` are further names by which the model answers. `costs` are the operator's in
    micro-currency for 1,000 of a unit, where the provider does not say what a call costs; `prices`,
    in the same form, is what tenants pay whose plans name no price for the model."""

    served_names: Annotated[tuple[ServedName, ...], Field(max_length=100)] = ()
    costs: PriceList = {}
    prices: PriceList = {}


class ProviderModelArgs(ProviderSpec, _External):
    """A text model of a provider; it runs in the ingress and reserves nothing."""


class ProviderEmbeddingArgs(ProviderEmbeddingSpec, _External):
    """An embedding model of a provider."""


ExternalArgs = ProviderModelArgs | ProviderEmbeddingArgs


Kind = TypeVar("Kind", bound=BaseModel)
External = TypeVar("External", bound=BaseModel)


def by_engine(local: type[Kind], external: type[External]) -> Callable[[Any], Kind | External]:
    """Validates a model as the kind that its engine says. An unknown engine's error names all."""

    def parse(value: Any) -> Kind | External:
        is_given = isinstance(value, Mapping)
        engine = value.get("engine") if is_given else getattr(value, "engine", None)
        if engine in PROVIDER_ENGINES:
            return external.model_validate(value)
        known = (AUTO, *ENGINES)
        if "engine" in local.model_fields and isinstance(engine, str) and engine not in known:
            names = ", ".join((*known, *PROVIDER_ENGINES))
            fault = PydanticCustomError(
                "engine",
                "engine is '{engine}'; there are {names}",
                {"engine": engine[:100], "names": names},
            )
            detail = InitErrorDetails(type=fault, loc=("engine",), input=engine)
            raise ValidationError.from_exception_data(local.__name__, [detail])
        return local.model_validate(value)

    return parse


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
    return model.model_dump(
        mode="json", exclude_unset=True, exclude={"served_names", "costs", "prices"}
    )
