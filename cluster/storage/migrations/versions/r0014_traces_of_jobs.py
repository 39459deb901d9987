"""The column of jobs that names the span which ordered the job.

Earlier versions insert rows without it.
"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    op.add_column(
        "jobs",
        sa.Column("trace", sa.String(length=55), nullable=False, server_default=sa.text("''")),
    )
