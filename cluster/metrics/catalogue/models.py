"""How the ingress' calls of models went, over links, by handle and of providers."""

from cluster.metrics.metric import counter, gauge

_MODEL = ("model",)
_MODELS = "configured ids of models"

CALLS = counter(
    "mobula_model_calls_total",
    "Calls of the model.",
    source="ingress",
    labels=_MODEL,
    labels_from=_MODELS,
)
ATTEMPTS = counter(
    "mobula_model_attempts_total",
    "Attempts at those calls: retries and hedges are further ones.",
    source="ingress",
    labels=_MODEL,
    labels_from=_MODELS,
)
RETRIES = counter(
    "mobula_model_retries_total",
    "Attempts after one that failed.",
    source="ingress",
    labels=_MODEL,
    labels_from=_MODELS,
)
HEDGES = counter(
    "mobula_model_hedges_total",
    "Attempts beside one that was slow.",
    source="ingress",
    labels=_MODEL,
    labels_from=_MODELS,
)
REFUSED = counter(
    "mobula_model_refused_total",
    "Calls that an open circuit breaker refused.",
    source="ingress",
    labels=_MODEL,
    labels_from=_MODELS,
)
FALLBACKS = counter(
    "mobula_model_fallbacks_total",
    "Calls that another model answered.",
    source="ingress",
    labels=_MODEL,
    labels_from=_MODELS,
)
LINKS = gauge(
    "mobula_model_links",
    "Links to replicas that are up.",
    source="ingress",
    labels=_MODEL,
    labels_from=_MODELS,
)
LINKS_OPENED = counter(
    "mobula_model_links_opened_total",
    "Links to replicas that were opened.",
    source="ingress",
    labels=_MODEL,
    labels_from=_MODELS,
)
LINKS_FAILED = counter(
    "mobula_model_links_failed_total",
    "Attempts to open a link that failed.",
    source="ingress",
    labels=_MODEL,
    labels_from=_MODELS,
)
LINKS_BY_HANDLE = counter(
    "mobula_model_links_by_handle_total",
    "Attempts at calls by handle, as their replica had no link.",
    source="ingress",
    labels=_MODEL,
    labels_from=_MODELS,
)
BREAKER = gauge(
    "mobula_breaker_state",
    "The circuit breaker of the model's calls: 0 closed, 1 half open, 2 open.",
    source="ingress",
    labels=_MODEL,
    labels_from=_MODELS,
)
BREAKER_TRANSITIONS = counter(
    "mobula_breaker_transitions_total",
    "How often the breaker of the model's calls opened, failed probes included, and closed.",
    source="ingress",
    labels=("model", "to"),
    labels_from=f"{_MODELS}; open, closed",
)
ROUTED = counter(
    "mobula_routed_total",
    "Replicas that were chosen for a call, by why: the only one, the balancing policy, named by "
    "the call, a trial of an ejected one, or an ejected one for want of others.",
    source="ingress",
    labels=("deployment", "choice"),
    labels_from="names of deployments; only, policy, named, trial, ejected",
)
EJECTED = gauge(
    "mobula_ejected_replicas",
    "Replicas that get no calls because they answer worse than the others.",
    source="ingress",
    labels=("deployment",),
    labels_from="names of deployments",
)
PROVIDER_ATTEMPTS = counter(
    "mobula_provider_attempts_total",
    "Attempts at calls of a provider's upstreams that have ended.",
    source="ingress",
    labels=("model", "outcome"),
    labels_from=f"{_MODELS}; finished, failed, cancelled",
)
UPSTREAM_UP = gauge(
    "mobula_provider_upstream_up",
    "Whether an upstream works (1), as far as its answers and the background check tell.",
    source="ingress",
    labels=("model", "upstream"),
    labels_from=f"{_MODELS}; configured names of upstreams",
)
