"""Every table, for SQLite and PostgreSQL alike. Migrations build them; repositories query them.

Instants are Unix seconds (float), ids are text, amounts are whole numbers, documents are JSON.
Every table of a tenant's data has a `tenant` column, and every query on it names one.
"""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    UniqueConstraint,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

_TENANT = ("tenant", String(63))

plans = Table(
    "plans",
    metadata,
    Column("id", String(63), primary_key=True),
    Column("document", JSON, nullable=False),  # cluster/tenants/plan.py: Plan
    Column("version", Integer, nullable=False),
    Column("created", Float, nullable=False),
    Column("updated", Float, nullable=False),
)

tenants = Table(
    "tenants",
    metadata,
    Column("id", String(63), primary_key=True),
    Column("name", String(200), nullable=False),
    Column("plan", String(63), ForeignKey("plans.id"), nullable=False),
    Column("status", String(16), nullable=False),  # active, suspended
    Column("secret", LargeBinary, nullable=False),  # keys everything derived for this tenant
    Column("created", Float, nullable=False),
    Column("updated", Float, nullable=False),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", String(32), primary_key=True),  # the public part of mob_<id>_<secret>
    Column(*_TENANT, ForeignKey("tenants.id"), nullable=False, index=True),
    Column("name", String(200), nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("scopes", JSON, nullable=False),
    Column("bootstrap", Boolean, nullable=False, default=False),
    Column("created", Float, nullable=False),
    Column("created_by", String(80), nullable=False),
    Column("expires", Float),
    Column("revoked", Float),
    Column("replaced_by", String(32)),  # set by rotation; `expires` is then the grace's end
    Column("last_used", Float),
)

users = Table(
    "users",
    metadata,
    Column("id", String(32), primary_key=True),
    Column(*_TENANT, ForeignKey("tenants.id"), nullable=False, index=True),
    Column("email", String(254), nullable=False),
    Column("password", String(300), nullable=False),  # argon2id, encoded
    Column("role", String(16), nullable=False),
    Column("status", String(16), nullable=False),  # active, disabled
    Column("valid_after", Float, nullable=False),  # tokens issued before this are void
    Column("created", Float, nullable=False),
    Column("updated", Float, nullable=False),
    UniqueConstraint("email"),
)

refresh_tokens = Table(
    "refresh_tokens",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("family", String(32), nullable=False, index=True),
    Column(*_TENANT, nullable=False),
    Column(
        "user", String(32), ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True
    ),
    Column("digest", LargeBinary, nullable=False),
    Column("created", Float, nullable=False),
    Column("expires", Float, nullable=False),
    Column("used", Float),
    Column("revoked", Float),
)

signing_keys = Table(
    "signing_keys",
    metadata,
    Column("id", String(32), primary_key=True),  # JWK kid
    Column("purpose", String(16), nullable=False),  # tokens
    Column("private", LargeBinary, nullable=False),  # encrypted under the pepper
    Column("public", LargeBinary, nullable=False),
    Column("created", Float, nullable=False),
    Column("retires", Float),  # signs until then; verifies for a token's life longer
)

# One row for each change that replicas' directories must see; `seq` is what they poll.
changes = Table(
    "changes",
    metadata,
    Column("seq", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("at", Float, nullable=False),
    Column("kind", String(16), nullable=False),  # plan, tenant, key, user, signing_key, cache
    Column("id", String(63), nullable=False),
)

# What cached answers are worthless, unless they were computed since; cluster/invalidation.
cache_invalidations = Table(
    "cache_invalidations",
    metadata,
    Column(*_TENANT, primary_key=True),  # empty: every tenant's
    Column("kind", String(16), primary_key=True),  # all, tenant, model, tag, prefix
    Column("name", String(200), primary_key=True),
    Column("seq", BigInteger, nullable=False, index=True),  # of its row in `changes`
    Column("at", Float, nullable=False),
)

# POSTs that a client may send again without their running twice; cluster/idempotency.
idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column(*_TENANT, primary_key=True),
    Column("id", String(64), primary_key=True),  # keyed hash of credential, route and key
    Column("fingerprint", LargeBinary, nullable=False),  # keyed hash of the request
    Column("holder", String(32), nullable=False),  # who runs it, or ran it: the fence
    Column("leased", Float, nullable=False),  # until then, unless it ended
    Column("status", Integer),  # of the answer; none while it runs
    Column("answer", LargeBinary),  # sealed under the tenant's secret
    Column("expires", Float, nullable=False, index=True),
)

usage = Table(
    "usage",
    metadata,
    Column(*_TENANT, primary_key=True),
    Column("key", String(32), primary_key=True),
    Column("model", String(200), primary_key=True),
    Column("day", String(10), primary_key=True),  # 2026-11-21, UTC
    Column("unit", String(20), primary_key=True),
    Column("amount", BigInteger, nullable=False),
    Column("cost", BigInteger, nullable=False),  # nano-currency, what the operator pays
    Column("revenue", BigInteger, nullable=False),  # nano-currency, by the plan's price
    Index("ix_usage_tenant_day", "tenant", "day"),
)

# A batch is applied once: its row and its amounts commit together.
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
    Column(*_TENANT, nullable=False),
    Column("actor", String(80), nullable=False),
    Column("action", String(64), nullable=False),
    Column("resource", String(300), nullable=False),
    Column("outcome", String(32), nullable=False),
    Column("request_id", String(64), nullable=False),
    Column("detail", JSON, nullable=False),
    Column("mac", LargeBinary, nullable=False),
    Index("ix_audit_records_tenant_at", "tenant", "at"),
)

# Where each writer's chain stands; moves in the same transaction as its records.
audit_heads = Table(
    "audit_heads",
    metadata,
    Column("writer", String(64), primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("mac", LargeBinary, nullable=False),
    Column("lost", BigInteger, nullable=False),  # records counted but not kept
    Column("at", Float, nullable=False),
)

webhooks = Table(
    "webhooks",
    metadata,
    Column("id", String(32), primary_key=True),
    Column(*_TENANT, ForeignKey("tenants.id"), nullable=False, index=True),
    Column("url", String(2000), nullable=False),
    Column("kinds", JSON, nullable=False),
    Column("secret", LargeBinary, nullable=False),  # encrypted under the pepper
    Column("status", String(16), nullable=False),  # active, disabled
    Column("created", Float, nullable=False),
    Column("updated", Float, nullable=False),
)

# The outbox: written with the change it tells of, delivered afterwards.
events = Table(
    "events",
    metadata,
    Column("id", String(32), primary_key=True),
    Column(*_TENANT, nullable=False),
    Column("kind", String(64), nullable=False),
    Column("at", Float, nullable=False),
    Column("data", JSON, nullable=False),
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
    Column(*_TENANT, nullable=False),
    Column("status", String(16), nullable=False),  # pending, delivered, failed
    Column("attempts", Integer, nullable=False),
    Column("next", Float, nullable=False),
    Column("locked", Float),  # a deliverer holds it until then
    Column("last_error", String(300)),
    Index("ix_deliveries_status_next", "status", "next"),
)

# Every stored object of a tenant, for quotas and retention; cluster/blobs.
stored_objects = Table(
    "stored_objects",
    metadata,
    Column(*_TENANT, ForeignKey("tenants.id"), primary_key=True),
    Column("path", String(300), primary_key=True),
    Column("bytes", BigInteger, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("media_type", String(100), nullable=False),
    Column("created", Float, nullable=False),
    Column("expires", Float, index=True),  # none: until it is deleted
    Column("place", String(32), nullable=False, unique=True),  # of its bytes, never used again
)

# Resumable uploads (tus 1.0); cluster/media.
uploads = Table(
    "uploads",
    metadata,
    Column("id", String(32), primary_key=True),
    Column(*_TENANT, ForeignKey("tenants.id"), nullable=False, index=True),
    Column("key", String(80), nullable=False),
    Column("name", String(300), nullable=False),
    Column("length", BigInteger),  # none: not known yet
    Column("received", BigInteger, nullable=False),
    Column("details", JSON, nullable=False),  # what the client said of it
    Column("state", String(16), nullable=False),  # open, finishing, done, failed
    Column("holder", String(32)),  # who writes to it now, until `locked`
    Column("locked", Float),
    Column("video", String(32)),
    Column("created", Float, nullable=False),
    Column("expires", Float, nullable=False, index=True),
)

videos = Table(
    "videos",
    metadata,
    Column("id", String(32), primary_key=True),
    Column(*_TENANT, ForeignKey("tenants.id"), nullable=False),
    Column("key", String(80), nullable=False),
    Column("name", String(300), nullable=False),
    Column("state", String(16), nullable=False),  # importing, ready, failed
    Column("path", String(300), nullable=False),  # of its stored object
    Column("bytes", BigInteger, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("media", JSON, nullable=False),  # what the header says
    Column("problem", JSON),
    Column("created", Float, nullable=False),
    Column("expires", Float, index=True),
    Index("ix_videos_tenant_created", "tenant", "created"),
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", String(32), primary_key=True),
    Column(*_TENANT, ForeignKey("tenants.id"), nullable=False),
    Column("kind", String(40), nullable=False),
    Column("key", String(80), nullable=False),
    Column("subject", String(64), nullable=False),
    Column("state", String(16), nullable=False),
    Column("stage", String(40), nullable=False),
    Column("percent", Float, nullable=False),
    Column("priority", Integer, nullable=False),  # 0 interactive, 1 standard, 2 batch
    Column("cost", BigInteger, nullable=False),
    Column("weight", Float, nullable=False),
    Column("spec", JSON, nullable=False),
    Column("result", JSON, nullable=False),
    Column("problem", JSON),
    Column("attempts", Integer, nullable=False),
    Column("max_attempts", Integer, nullable=False),
    Column("next", Float, nullable=False),  # not to be tried before
    Column("fence", Integer, nullable=False),
    Column("worker", String(80)),
    Column("leased", Float),  # until then, while it runs
    Column("cancel_asked", Boolean, nullable=False),
    Column("version", Integer, nullable=False),
    Column("events", Integer, nullable=False),  # the last one's number
    Column("created", Float, nullable=False),
    Column("started", Float),
    Column("ended", Float),
    Column("keep_s", Float, nullable=False),
    Column("expires", Float, index=True),
    Column("request_id", String(64), nullable=False),
    Index("ix_jobs_state_next", "state", "next"),
    Index("ix_jobs_tenant_created", "tenant", "created"),
)

job_parts = Table(
    "job_parts",
    metadata,
    Column("job", String(32), ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column(*_TENANT, nullable=False),
    Column("state", String(16), nullable=False),
    Column("data", JSON, nullable=False),
    Column("updated", Float, nullable=False),
)

job_checkpoints = Table(
    "job_checkpoints",
    metadata,
    Column("job", String(32), ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("name", String(63), primary_key=True),
    Column("data", JSON, nullable=False),
)

job_events = Table(
    "job_events",
    metadata,
    Column("job", String(32), ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("at", Float, nullable=False),
    Column("kind", String(20), nullable=False),
    Column("data", JSON, nullable=False),
)

# How much of the workers each tenant has had: start-time fair queueing; deployments/jobs.
job_shares = Table(
    "job_shares",
    metadata,
    Column(*_TENANT, primary_key=True),
    Column("finish", Float, nullable=False),  # virtual time, cost units by weight
)
