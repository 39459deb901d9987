"""Plans, tenants, credentials, and the change log for replicas."""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from cluster.storage.tables.base import TENANT, metadata

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
    Column("secret", LargeBinary, nullable=False),  # key of all derivations for this tenant
    Column("created", Float, nullable=False),
    Column("updated", Float, nullable=False),
)

# What tenants have set for themselves; one without a row has nothing set.
tenant_settings = Table(
    "tenant_settings",
    metadata,
    Column(*TENANT, ForeignKey("tenants.id"), primary_key=True),
    Column("document", JSON, nullable=False),  # cluster/tenants/settings.py: TenantSettings
    Column("updated", Float, nullable=False),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", String(32), primary_key=True),  # the public part of mob_<id>_<secret>
    Column(*TENANT, ForeignKey("tenants.id"), nullable=False, index=True),
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
    Column("mac", LargeBinary),  # cluster/auth/row_macs.py; a row without it is ignored
    Column("policy", Text),  # JSON of cluster/tenants/policy.py: LimitPolicy; NULL: no limits
    Column("team", String(63)),  # id of one of the tenant's teams
    Column("account", String(32)),  # keys of one account share limits; NULL: its own id
)

teams = Table(
    "teams",
    metadata,
    Column(*TENANT, ForeignKey("tenants.id"), primary_key=True),
    Column("id", String(63), primary_key=True),
    Column("name", String(200), nullable=False),
    Column("policy", Text),  # as that of a key
    Column("created", Float, nullable=False),
    Column("updated", Float, nullable=False),
)

users = Table(
    "users",
    metadata,
    Column("id", String(32), primary_key=True),
    Column(*TENANT, ForeignKey("tenants.id"), nullable=False, index=True),
    Column("email", String(254), nullable=False),
    Column("password", String(300), nullable=False),  # argon2id, encoded
    Column("role", String(16), nullable=False),
    Column("status", String(16), nullable=False),  # active, disabled
    Column("valid_after", Float, nullable=False),  # tokens issued before are invalid
    Column("created", Float, nullable=False),
    Column("updated", Float, nullable=False),
    Column("mac", LargeBinary),
    UniqueConstraint("email", "tenant"),
)

refresh_tokens = Table(
    "refresh_tokens",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("family", String(32), nullable=False, index=True),
    Column(*TENANT, nullable=False),
    Column(
        "user", String(32), ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True
    ),
    Column("digest", LargeBinary, nullable=False),
    Column("created", Float, nullable=False),
    Column("expires", Float, nullable=False),
    Column("used", Float),
    Column("revoked", Float),
    Column("mac", LargeBinary),
)

# Ended sessions (families of refresh tokens) whose access tokens may not have expired.
ended_sessions = Table(
    "ended_sessions",
    metadata,
    Column("family", String(32), primary_key=True),  # `sid` of the access tokens
    Column(*TENANT, nullable=False),
    Column("user", String(32), nullable=False, index=True),
    Column("until", Float, nullable=False, index=True),
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
    Column("mac", LargeBinary),
)

# One row for each change that replicas' directories must apply; they poll by `seq`.
changes = Table(
    "changes",
    metadata,
    Column("seq", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("at", Float, nullable=False),
    Column("kind", String(16), nullable=False),  # cluster/tenants/repository.py: Kind
    Column("id", String(63), nullable=False),
)
