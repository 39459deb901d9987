"""Records of requests: idempotency, stored responses, invalidations, usage, audit trail, events,
webhooks.
"""

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    text,
)

from cluster.storage.tables.base import TENANT, metadata

# Cached responses that are invalid unless they were computed later; cluster/invalidation.
cache_invalidations = Table(
    "cache_invalidations",
    metadata,
    Column(*TENANT, primary_key=True),  # empty: every tenant
    Column("kind", String(16), primary_key=True),  # all, tenant, model, tag, prefix
    Column("name", String(200), primary_key=True),
    Column("seq", BigInteger, nullable=False, index=True),  # `seq` of its row in `changes`
    Column("at", Float, nullable=False),
)

# Idempotency keys and their responses; cluster/idempotency.
idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column(*TENANT, primary_key=True),
    Column("id", String(64), primary_key=True),  # keyed hash of credential, route and key
    Column("fingerprint", LargeBinary, nullable=False),  # keyed hash of the request
    Column("holder", String(32), nullable=False),  # fence: the holder of the lease
    Column("leased", Float, nullable=False),  # end of the lease
    Column("status", Integer),  # of the response; NULL while it runs
    Column("answer", LargeBinary),  # encrypted with the tenant's secret
    Column("expires", Float, nullable=False, index=True),
)

# Responses that clients may retrieve or continue; cluster/responses.
stored_responses = Table(
    "stored_responses",
    metadata,
    Column(*TENANT, primary_key=True),
    Column("id", String(80), primary_key=True),
    Column("previous", String(80)),  # the response that it continues
    Column("created", Float, nullable=False),
    Column("expires", Float, nullable=False, index=True),
    Column("size", Integer, nullable=False),  # bytes of the content before encryption
    Column("content", LargeBinary, nullable=False),  # encrypted with the tenant's secret
    Index("ix_stored_responses_tenant_expires_size", "tenant", "expires", "size"),
)

usage = Table(
    "usage",
    metadata,
    Column(*TENANT, primary_key=True),
    Column("key", String(32), primary_key=True),
    Column("model", String(200), primary_key=True),
    Column("day", String(10), primary_key=True),  # 2026-11-21, UTC
    Column("unit", String(20), primary_key=True),
    Column("amount", BigInteger, nullable=False),
    Column("cost", BigInteger, nullable=False),  # nano-currency, the operator's cost
    Column("revenue", BigInteger, nullable=False),  # nano-currency, by the plan's price
    Index("ix_usage_tenant_day", "tenant", "day"),
)

# The same usage by team, end user, tag and provider; cluster/usage/dimensions.py.
usage_dimensions = Table(
    "usage_dimensions",
    metadata,
    Column(*TENANT, primary_key=True),
    Column("dimension", String(16), primary_key=True),
    Column("value", String(200), primary_key=True),  # of end users a keyed hash
    Column("day", String(10), primary_key=True),
    Column("model", String(200), primary_key=True),
    Column("unit", String(20), primary_key=True),
    Column("amount", BigInteger, nullable=False),
    Column("cost", BigInteger, nullable=False),  # as in `usage`
    Column("revenue", BigInteger, nullable=False),
    Index("ix_usage_dimensions_tenant_dimension_day_value", "tenant", "dimension", "day", "value"),
)

# Makes batches idempotent: the row and its amounts commit together.
usage_batches = Table(
    "usage_batches",
    metadata,
    Column("writer", String(64), primary_key=True),
    Column("seq", BigInteger, primary_key=True),
    Column("at", Float, nullable=False),
)

audit_records = Table(
    "audit_records",
    metadata,
    Column("writer", String(64), primary_key=True),
    Column("seq", BigInteger, primary_key=True),
    Column("at", Float, nullable=False),
    Column(*TENANT, nullable=False),
    Column("actor", String(80), nullable=False),
    Column("action", String(64), nullable=False),
    Column("resource", String(300), nullable=False),
    Column("outcome", String(32), nullable=False),
    Column("request_id", String(64), nullable=False),
    Column("detail", JSON, nullable=False),
    Column("mac", LargeBinary, nullable=False),
    Index("ix_audit_records_tenant_at", "tenant", "at"),
)

# The end of each writer's chain; updated in the transaction of its records.
audit_heads = Table(
    "audit_heads",
    metadata,
    Column("writer", String(64), primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("mac", LargeBinary, nullable=False),
    Column("lost", BigInteger, nullable=False),  # number of dropped records
    Column("at", Float, nullable=False),
)

webhooks = Table(
    "webhooks",
    metadata,
    Column("id", String(32), primary_key=True),
    Column(*TENANT, ForeignKey("tenants.id"), nullable=False, index=True),
    Column("url", String(2000), nullable=False),
    Column("kinds", JSON, nullable=False),
    Column("secret", LargeBinary, nullable=False),  # encrypted under the pepper
    Column("status", String(16), nullable=False),  # active, disabled
    Column("created", Float, nullable=False),
    Column("updated", Float, nullable=False),
)

# The outbox: written in the transaction of the change, delivered afterwards.
events = Table(
    "events",
    metadata,
    Column("id", String(32), primary_key=True),
    Column(*TENANT, nullable=False),
    Column("kind", String(64), nullable=False),
    Column("at", Float, nullable=False),
    Column("data", JSON, nullable=False),
    # of what published it: a traceparent
    Column("trace", String(55), nullable=False, server_default=text("''")),
    Index("ix_events_tenant_at", "tenant", "at"),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", String(32), primary_key=True),
    Column(
        "event", String(32), ForeignKey("events.id", ondelete="CASCADE"), nullable=False, index=True
    ),
    Column(
        "webhook",
        String(32),
        ForeignKey("webhooks.id", ondelete="CASCADE"),
        nullable=False,
        index=True,
    ),
    Column(*TENANT, nullable=False),
    Column("status", String(16), nullable=False),  # pending, delivered, failed
    Column("attempts", Integer, nullable=False),
    Column("next", Float, nullable=False),
    Column("locked", Float),  # end of the delivery worker's lease
    Column("last_error", String(300)),
    Index("ix_deliveries_status_next", "status", "next"),
)
