"""What the graph tells an ingress replica about itself and its backends, beside their handles."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from cluster.autoscaling.spec import ScalingSpec
from cluster.resilience.spec import ResilienceSpec
from cluster.runtime.pickle_compat import version_tolerant
from cluster.tenants.units import Unit
from deployments.cache.config import CacheConfig
from deployments.contracts.moderation import ModerationConfig
from deployments.guardrails.spec import GuardrailConfig
from deployments.ingress.health.config import HealthConfig
from deployments.ingress.names.spec import NameSettings
from deployments.media.config import MediaConfig
from deployments.providers.config import ProvidersConfig
from deployments.search.config import SearchConfig
from deployments.video.config import VideoConfig


@version_tolerant
@dataclass(frozen=True, slots=True)
class ModelSettings:
    """`providers` maps names that content may be requested from to model ids, `default_provider` is
    used when a caller names none. By model id: `output_caps`, the most tokens of one choice, and
    `costs`, micro-currency that 1,000 of a unit cost the operator; `prices`, what they cost tenants
    whose plans name no price for the model; `providers_of`, who serves it (default `local`).
    """

    default_provider: str
    providers: Mapping[str, str]
    output_caps: Mapping[str, int]
    costs: Mapping[str, Mapping[Unit, int]]
    prices: Mapping[str, Mapping[Unit, int]] = field(default_factory=dict)
    providers_of: Mapping[str, str] = field(default_factory=dict)


@version_tolerant
@dataclass(frozen=True, slots=True)
class IngressConfig:
    """`resilience` is by model id; a model without an entry has the defaults. `deployments` names
    the deployment of each model id, `scaling` is by deployment: those whose replicas follow load.
    `by_handle` are the models whose calls go by Serve handle and not over links. `rerankers` are
    the classifiers that rank; the others judge, as `moderation` says. `providers` serve models from
    outside of the cluster. `names` are those by which models answer beside their ids. `guardrails`
    are the policies over what models read and write. `health` is about checks of dependencies.
    `has_text`: there is a deployment that analyses texts. `media` is the configuration of the one
    that opens recordings and pictures, `search` that of the shards that search collections.
    """

    offer: ModelSettings
    cache: CacheConfig
    video: VideoConfig
    resilience: Mapping[str, ResilienceSpec] = field(default_factory=dict)
    deployments: Mapping[str, str] = field(default_factory=dict)
    scaling: Mapping[str, ScalingSpec] = field(default_factory=dict)
    by_handle: frozenset[str] = frozenset()
    rerankers: tuple[str, ...] = ()
    moderation: ModerationConfig = ModerationConfig()
    providers: ProvidersConfig = ProvidersConfig()
    names: NameSettings = NameSettings()
    guardrails: GuardrailConfig = GuardrailConfig()
    health: HealthConfig = HealthConfig()
    has_text: bool = False
    media: MediaConfig = MediaConfig(enabled=False)
    search: SearchConfig = SearchConfig(enabled=False)
