"""What the graph tells an ingress replica about itself and what lies behind it, beside handles."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from cluster.resilience.spec import ResilienceSpec
from deployments.cache.config import CacheConfig
from deployments.clipper.config import VideoConfig
from deployments.ingress.offer import Offer


@dataclass(frozen=True, slots=True)
class IngressConfig:
    """`resilience` is by model id; a model without an entry has the defaults."""

    offer: Offer
    cache: CacheConfig
    video: VideoConfig
    resilience: Mapping[str, ResilienceSpec] = field(default_factory=dict)
