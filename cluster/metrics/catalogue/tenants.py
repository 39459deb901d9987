"""Who uses the cluster: the first hundred tenants of a replica, the rest as `other`."""

from cluster.metrics.metric import counter

TENANTS = 100
_TENANT = "ids of tenants, of verified credentials only"

REQUESTS = counter(
    "mobula_tenant_requests_total",
    "HTTP requests of a tenant by outcome: ok, client_error, limited (429), server_error, left.",
    source="ingress",
    labels=("tenant", "outcome"),
    cap=TENANTS * 5,
    labels_from=_TENANT,
)
TOKENS = counter(
    "mobula_tenant_tokens_total",
    "Tokens that models took and generated for a tenant, once they are in the ledger.",
    source="ingress",
    labels=("tenant", "direction"),
    cap=TENANTS * 2,
    labels_from=f"{_TENANT}; input, output",
)
COST = counter(
    "mobula_tenant_cost_micro_total",
    "What a tenant's usage cost the operator, in micro-currency, once it is in the ledger.",
    source="ingress",
    labels=("tenant",),
    cap=TENANTS,
    labels_from=_TENANT,
)
REVENUE = counter(
    "mobula_tenant_revenue_micro_total",
    "What a tenant is charged for its usage, in micro-currency, once it is in the ledger.",
    source="ingress",
    labels=("tenant",),
    cap=TENANTS,
    labels_from=_TENANT,
)
