"""The fixed ids of dashboards, which links name."""

OVERVIEW = "mobula-overview"
MODELS = "mobula-models"
TENANTS = "mobula-tenants"
CACHE_AND_LIMITS = "mobula-cache-limits"
JOBS_AND_VIDEO = "mobula-jobs-video"
CLUSTER = "mobula-cluster"
SLO = "mobula-slo"
