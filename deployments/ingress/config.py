"""What the graph tells an ingress replica about itself and what lies behind it, beside handles."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from cluster.autoscaling.spec import ScalingSpec
from cluster.resilience.spec import ResilienceSpec
from cluster.runtime.pickle_compat import version_tolerant
from deployments.cache.config import CacheConfig
from deployments.ingress.model_settings import ModelSettings
from deployments.video.config import VideoConfig


@version_tolerant
@dataclass(frozen=True, slots=True)
class IngressConfig:
    """`resilience` is by model id; a model without an entry has the defaults. `deployments` names
    the deployment of each model id, `scaling` is by deployment: those whose replicas follow load.
    """

    offer: ModelSettings
    cache: CacheConfig
    video: VideoConfig
    resilience: Mapping[str, ResilienceSpec] = field(default_factory=dict)
    deployments: Mapping[str, str] = field(default_factory=dict)
    scaling: Mapping[str, ScalingSpec] = field(default_factory=dict)
