"""Models that have a deployment here: their specs, and the options of their deployments."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from cluster.autoscaling.spec import ScalingSpec
from cluster.balancing.spec import RoutingSpec
from cluster.resilience.spec import ResilienceSpec
from cluster.tenants.price_list import PriceList
from deployments.ingress.names.spec import ServedName
from deployments.model.classification.spec import ClassifierSpec
from deployments.model.embeddings.spec import EmbeddingSpec
from deployments.model.spec import ModelSpec
from graphs.graph_args import GraphArgs


class _Served(GraphArgs):
    """Options of every model beside its spec: replicas, resources, routing, resilience, and the
    operator's `costs` in micro-currency for 1,000 of a unit. `prices`, in the same form, is what
    tenants pay whose plans name no price for the model.

    With `scaling` the number of replicas follows the load, starting with `replicas`; else it is
    fixed. `per_node` limits replicas on one node (None: no limit). `surge`: a rollout starts each
    replacement before it stops the old replica, which needs resources for one more. `transport`:
    the ingress calls replicas over a persistent connection to each (`link`), where one can be
    opened, or by Serve handle (`serve`). `served_names` are further names by which it answers.
    """

    served_names: Annotated[tuple[ServedName, ...], Field(max_length=100)] = ()
    replicas: Annotated[int, Field(ge=1, le=1024)] = 1
    num_gpus: Annotated[float, Field(ge=0)] = 0.0
    per_node: Annotated[int, Field(ge=1, le=100)] | None = None
    surge: bool = True
    transport: Literal["link", "serve"] = "link"
    costs: PriceList = {}
    prices: PriceList = {}
    scaling: ScalingSpec | None = None
    routing: RoutingSpec = RoutingSpec()
    resilience: ResilienceSpec = ResilienceSpec()

    @model_validator(mode="after")
    def _check_replicas(self) -> Self:
        spec = self.scaling
        if spec and not spec.min_replicas <= self.replicas <= spec.max_replicas:
            raise ValueError(
                f"replicas: {self.replicas} is not between scaling.min_replicas, "
                f"{spec.min_replicas}, and scaling.max_replicas, {spec.max_replicas}"
            )
        return self


class ModelArgs(ModelSpec, _Served):
    """A text model and its deployment options."""

    num_cpus: Annotated[float, Field(ge=0)] = 1.0

    def spec(self) -> ModelSpec:
        return ModelSpec.model_validate(self.model_dump(include=set(ModelSpec.model_fields)))


class EmbeddingArgs(EmbeddingSpec, _Served):
    """An embedding model and its deployment options."""

    num_cpus: Annotated[float, Field(ge=0)] = 0.05

    def spec(self) -> EmbeddingSpec:
        return EmbeddingSpec.model_validate(
            self.model_dump(include=set(EmbeddingSpec.model_fields))
        )


class ClassifierArgs(ClassifierSpec, _Served):
    """A classifier and its deployment options."""

    num_cpus: Annotated[float, Field(ge=0)] = 0.25

    def spec(self) -> ClassifierSpec:
        return ClassifierSpec.model_validate(
            self.model_dump(include=set(ClassifierSpec.model_fields))
        )


class RerankerArgs(ClassifierArgs):
    """A cross-encoder for `/v1/rerank`, which also ranks by every embedding model."""

    task: Literal["rerank"] = "rerank"


class ModerationModelArgs(ClassifierArgs):
    """A classification model for `/v1/moderations`."""

    task: Literal["moderation"] = "moderation"
