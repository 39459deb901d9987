"""The column of events that names the span in which one was published, for its webhooks.

Earlier versions insert rows without it.
"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    op.add_column(
        "events",
        sa.Column("trace", sa.String(length=55), nullable=False, server_default=sa.text("''")),
    )
