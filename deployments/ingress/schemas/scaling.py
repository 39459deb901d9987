"""What the operator sends and gets about scaling: how everything stands, decisions, bounds.

Shapes only; which bounds there can be is in cluster/administration/scaling.py. Instants
are Unix seconds.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from cluster.autoscaling.spec import ScalingSpec
from cluster.runtime.numbers import FLOAT32
from deployments.ingress.schemas.admin import PageQuery, PageResponse, Strict, example

LONGEST_S = 365 * 86_400
Count = Annotated[int, Field(ge=0, le=1024)]
Name = Annotated[str, Field(min_length=1, max_length=300)]


class ScalingBoundsPut(Strict):
    """Body of `PUT /api/v1/scaling/{deployment}/bounds`: replicas, and for how many seconds (none:
    until they are taken back). A side that is not given is as configured."""

    model_config = example(floor=3, for_s=3600)

    floor: Count | None = None
    ceiling: Count | None = None
    for_s: Annotated[float, Field(gt=0, le=LONGEST_S, allow_inf_nan=False), FLOAT32] | None = None

    @model_validator(mode="after")
    def _bounds_something(self) -> Self:
        if self.floor is None and self.ceiling is None:
            raise ValueError("give at least one of: floor, ceiling")
        return self


class HistoryQuery(PageQuery):
    """Whose decisions: a deployment's or model's, or all."""

    deployment: Name | None = None


class ScalingBoundsResponse(BaseModel):
    """Bounds that an operator has set. `until` null: until they are cleared."""

    model_config = ConfigDict(from_attributes=True)

    deployment: str
    floor: int | None
    ceiling: int | None
    until: float | None
    set_by: str
    set_at: float


class ScalingDecisionResponse(BaseModel):
    """One change of a deployment's target, or why one that was wanted did not come.

    `bound` names what decided, `signals` are the figures that it was decided from.
    """

    model_config = ConfigDict(from_attributes=True)

    deployment: str
    at: float
    ready: int
    before: int
    target: int
    bound: str
    reason: str
    signals: dict[str, float]


class ScalingDecisionPage(PageResponse):
    data: list[ScalingDecisionResponse]


class Replica(BaseModel):
    """One replica: as Serve's controller knows it, and what ingress replicas have sent there.

    `state` is null for one that only they know. `mean_s` is the mean response time; `ejected_by`
    is how many of them leave it out, for at most `ejected_for_s` more.
    """

    id: str
    state: Literal["ready", "starting", "stopping"] | None
    node: str
    address: str
    since: float | None
    requests: int
    tokens: int
    mean_s: float | None
    weight: float | None
    ejected_by: int
    ejected_for_s: float
    ejected_because: str


class Queue(BaseModel):
    """Sequences in the models themselves, summed over the `replicas` that said so in time."""

    replicas: int
    running: int
    waiting: int


class CallStatsResponse(BaseModel):
    """How calls of a model went, since the ingress replicas started, summed over them.

    `attempts` are those that were sent, `retries` and `hedges` among them; `refused` were stopped
    by an open breaker, `fallbacks` answered by another model. Each ingress replica has a breaker of
    its own: `breakers` counts them by state, `breaker` is what the worst of them says of itself.
    """

    calls: int
    attempts: int
    retries: int
    hedges: int
    refused: int
    fallbacks: int
    breakers: dict[str, int]
    breaker: dict[str, Any]


class ScalingSpecResponse(BaseModel):
    """How the deployment scales: in words, and as configured."""

    words: str
    spec: ScalingSpec


class DeploymentResponse(BaseModel):
    """One deployment. `target`, `ready`, `starting` and `stopping` count replicas and are null
    while Serve's controller has not reported; `scaling` is null where the number is fixed."""

    name: str
    model: str | None
    status: str | None
    message: str
    target: int | None
    ready: int | None
    starting: int | None
    stopping: int | None
    replicas: list[Replica]
    queue: Queue | None
    scaling: ScalingSpecResponse | None
    bounds: ScalingBoundsResponse | None
    calls: CallStatsResponse | None
    decisions: list[ScalingDecisionResponse]
    cost_per_hour: float | None


class ScalingStatusResponse(BaseModel):
    """How everything scales at `at`. States are `age_s` old (null: there are none); `away` names
    what did not answer: `controller`, `ingress`, `store`. `cost_per_hour` is what all replicas of
    deployments that scale cost now; `open_calls` counts model calls in all ingress replicas."""

    at: float
    age_s: float | None
    away: list[str]
    ingress_replicas: int
    open_calls: int
    cost_per_hour: float
    deployments: list[DeploymentResponse]
