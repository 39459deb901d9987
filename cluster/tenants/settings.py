"""What a tenant has set for itself.

In: JSON from the API or the database. Out: frozen TenantSettings.
"""

from enum import StrEnum
from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.runtime.clock import Clock
from cluster.storage.tables import tenant_settings
from cluster.tenants.repository import record_change

ModelName = Annotated[
    str, Field(max_length=100, pattern=r"^[A-Za-z0-9][A-Za-z0-9._:@+/-]*$", examples=["nano"])
]
ContentWord = Annotated[str, Field(min_length=1, max_length=60)]


def _check_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"there is no time zone '{name[:64]}'; one is 'Europe/Berlin'") from None
    return name


ZoneName = Annotated[
    str,
    Field(max_length=64, pattern=r"^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,2}$"),
    AfterValidator(_check_zone),
]


class GenerationEvents(StrEnum):
    """How `generation.*` events come: one a minute with a count, or some requests one by one."""

    COUNTED = "counted"
    SAMPLED = "sampled"


class TenantSettings(BaseModel):
    """None: as the operator has configured it.

    `default_model` answers requests that name no model, `default_embedding_model` those for
    embeddings; both may be any name by which the tenant may ask for a model. `generation_events`
    turns events of generations on (None: off), `generation_event_ratio` is the part of requests
    that are sampled (None: one in a hundred). `authors_may_approve` says whether an approver may
    approve posts of the library that they have written themselves (None: yes). `default_style`,
    `default_language` and `default_platform` are those of captions and posts that name none. `zone`
    is a name of the IANA database, for times that name none (None: UTC).
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    default_model: ModelName | None = None
    default_embedding_model: ModelName | None = None
    generation_events: GenerationEvents | None = None
    generation_event_ratio: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)] | None = None
    authors_may_approve: bool | None = None
    default_style: ContentWord | None = None
    default_language: ContentWord | None = None
    default_platform: ContentWord | None = None
    zone: ZoneName | None = None


NO_SETTINGS = TenantSettings()


class SettingsRepository:
    """The settings of tenants; one without a row has none."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def get(self, connection: AsyncConnection, tenant: str) -> TenantSettings:
        """Of a tenant that exists."""
        row = (await connection.execute(_rows(tenant))).first()
        return NO_SETTINGS if row is None else TenantSettings.model_validate(row.document)

    async def put(self, connection: AsyncConnection, tenant: str, settings: TenantSettings) -> None:
        """Replace them. Hold the tenant's row locked, so that no other change is lost."""
        document: dict[str, Any] = settings.model_dump(mode="json", exclude_none=True)
        values = {"document": document, "updated": self._clock.wall()}
        if (await connection.execute(_rows(tenant))).first() is None:
            new = insert(tenant_settings).values(tenant=tenant, **values)
            await connection.execute(new)
        else:
            table = tenant_settings
            await connection.execute(update(table).where(table.c.tenant == tenant).values(**values))
        await record_change(connection, self._clock, "tenant", tenant)


def _rows(tenant: str) -> Any:
    return select(tenant_settings).where(tenant_settings.c.tenant == tenant)
