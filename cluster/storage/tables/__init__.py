"""All tables, for SQLite and PostgreSQL. Migrations create them, repositories query them.

Times are Unix seconds (float), ids are text, amounts are integers, documents are JSON. Every table
with a tenant's data has a `tenant` column, and every query on it filters by tenant.
"""

from cluster.storage.tables.base import metadata
from cluster.storage.tables.batches import batch_items, file_batches
from cluster.storage.tables.classifiers import classifiers
from cluster.storage.tables.collections import collections, points
from cluster.storage.tables.documents import (
    document_blocks,
    document_chunks,
    document_places,
    documents,
)
from cluster.storage.tables.files import files
from cluster.storage.tables.health import health_probes
from cluster.storage.tables.identity import (
    api_keys,
    changes,
    ended_sessions,
    plans,
    refresh_tokens,
    signing_keys,
    teams,
    tenant_settings,
    tenants,
    users,
)
from cluster.storage.tables.jobs import job_checkpoints, job_events, job_parts, job_shares, jobs
from cluster.storage.tables.library import (
    library_bodies,
    library_posts,
    library_sizes,
    library_transitions,
    library_vectors,
    library_versions,
    outcomes,
)
from cluster.storage.tables.media import stored_objects, uploads, videos
from cluster.storage.tables.requests import (
    audit_heads,
    audit_records,
    cache_invalidations,
    deliveries,
    events,
    idempotency_keys,
    stored_responses,
    usage,
    usage_batches,
    usage_dimensions,
    webhooks,
)
from cluster.storage.tables.scaling import scaling_bounds, scaling_decisions
from cluster.storage.tables.templates import template_labels, template_versions, templates
from cluster.storage.tables.vector_stores import (
    vector_store_batches,
    vector_store_files,
    vector_stores,
)

__all__ = [
    "api_keys",
    "audit_heads",
    "audit_records",
    "batch_items",
    "cache_invalidations",
    "changes",
    "classifiers",
    "collections",
    "deliveries",
    "document_blocks",
    "document_chunks",
    "document_places",
    "documents",
    "ended_sessions",
    "events",
    "file_batches",
    "files",
    "health_probes",
    "idempotency_keys",
    "job_checkpoints",
    "job_events",
    "job_parts",
    "job_shares",
    "jobs",
    "library_bodies",
    "library_posts",
    "library_sizes",
    "library_transitions",
    "library_vectors",
    "library_versions",
    "metadata",
    "outcomes",
    "plans",
    "points",
    "refresh_tokens",
    "scaling_bounds",
    "scaling_decisions",
    "signing_keys",
    "stored_objects",
    "stored_responses",
    "teams",
    "template_labels",
    "template_versions",
    "templates",
    "tenant_settings",
    "tenants",
    "uploads",
    "usage",
    "usage_batches",
    "usage_dimensions",
    "users",
    "vector_store_batches",
    "vector_store_files",
    "vector_stores",
    "videos",
    "webhooks",
]
