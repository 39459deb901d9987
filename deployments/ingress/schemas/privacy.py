"""What callers send for exports and erasures, and what they get. Instants are Unix seconds."""

from typing import Annotated, Any

from pydantic import BaseModel, Field

from cluster.tenants.plan import Id
from deployments.contracts.jobs import JobState
from deployments.ingress.schemas.admin import Strict, example

UserId = Annotated[str, Field(min_length=1, max_length=32, pattern=r"^[0-9A-Za-z_-]+$")]


class ExportCreate(Strict):
    """Body of `POST /api/v1/tenants/{tenant}/export`; with `user`, what is stored of one of the
    tenant's users."""

    model_config = example(user="Zk3v9Qw1Lm5T2x8B")

    user: UserId | None = None


class ErasureCreate(Strict):
    """Body of `POST /api/v1/tenants/{tenant}/erase`. `confirm` repeats the tenant's id."""

    model_config = example(confirm="acme", user="Zk3v9Qw1Lm5T2x8B")

    confirm: Id
    user: UserId | None = None


class ExportResponse(BaseModel):
    """`url` is there once the export has succeeded, for an hour; the file is a ZIP of JSON lines
    until `expires`. `tables` are the numbers of rows."""

    job: str
    tenant: str
    user: str | None
    state: JobState
    percent: float
    created: float
    ended: float | None
    expires: float | None = None
    tables: dict[str, int] = {}
    bytes: int | None = None
    sha256: str | None = None
    url: str | None = None
    problem: dict[str, Any] | None = None


class ErasureResponse(BaseModel):
    """`tables` are the numbers of rows that were deleted."""

    job: str
    tenant: str
    user: str | None
    state: JobState
    percent: float
    created: float
    ended: float | None
    tables: dict[str, int] = {}
    problem: dict[str, Any] | None = None
