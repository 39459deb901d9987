"""The unit `kept_requests` is called `cache_hits`, in usage and in the prices of plans.

It says what the tables were at this revision, so it never imports today's.
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

OLD, NEW = "kept_requests", "cache_hits"


def upgrade() -> None:
    usage = sa.table("usage", sa.column("unit", sa.String))
    op.execute(usage.update().where(usage.c.unit == OLD).values(unit=NEW))
    plans = sa.table("plans", sa.column("id", sa.String), sa.column("document", sa.JSON))
    connection = op.get_bind()
    for id, document in connection.execute(sa.select(plans.c.id, plans.c.document)).all():
        if OLD in document.get("prices", {}):
            document["prices"][NEW] = document["prices"].pop(OLD)
            connection.execute(plans.update().where(plans.c.id == id).values(document=document))
