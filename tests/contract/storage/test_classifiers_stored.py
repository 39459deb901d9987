"""Classifiers on both databases: versions, quotas, and rows that only open where they were made."""

import pytest
from sqlalchemy import update

from cluster.classifiers.model import (
    ClassifierLimits,
    ClassifierQuotaExceeded,
    TrainedWeights,
    pack_head,
)
from cluster.classifiers.repository import ClassifierRepository
from cluster.runtime.clock import ManualClock
from cluster.runtime.problems import Conflict, NotFound
from cluster.storage.database import Database, DatabaseUnavailable
from cluster.storage.tables import classifiers


def weights(label: str = "good") -> TrainedWeights:
    return TrainedWeights(pack_head((label, "bad"), b"numbers of " + label.encode()), 10)


def repository(clock: ManualClock, **limits: int) -> ClassifierRepository:
    return ClassifierRepository(
        lambda tenant: tenant.encode() * 8, clock, ClassifierLimits(**limits)
    )


async def test_a_classifier_is_made_trained_again_listed_and_deleted(
    database: Database, clock: ManualClock
) -> None:
    store = repository(clock)
    async with database.begin() as connection:
        made = await store.create(connection, "acme", "tone", "Tone", weights())
        again = await store.replace(connection, "acme", "tone", None, weights("fine"))
        other = await store.create(connection, "acme", "a-first", "", weights())
        listed = await store.list(connection, "acme", 1, None)
        following = await store.list(connection, "acme", 1, listed.next)
        opened, head = await store.open(connection, "acme", "tone")
        await store.delete(connection, "acme", "tone")
        with pytest.raises(NotFound):
            await store.delete(connection, "acme", "tone")

    assert (made.version, again.version, again.description) == (1, 2, "Tone")
    assert listed.items + following.items == (other, again)
    assert opened == again
    assert (opened.labels, head) == (("fine", "bad"), weights("fine").head)


async def test_names_are_taken_once_and_a_tenant_has_so_many(
    database: Database, clock: ManualClock
) -> None:
    store = repository(clock, max_count=2)
    async with database.begin() as connection:
        await store.create(connection, "acme", "one", "", weights())
        with pytest.raises(Conflict, match="already"):
            await store.create(connection, "acme", "one", "", weights())
        await store.create(connection, "acme", "two", "", weights())
        with pytest.raises(ClassifierQuotaExceeded):
            await store.create(connection, "acme", "three", "", weights())
        await store.create(connection, "other", "one", "", weights())


async def test_a_row_opens_only_as_what_it_was_written(
    database: Database, clock: ManualClock
) -> None:
    """Moved to another tenant, under another name, or set back to another version."""
    store = repository(clock)
    async with database.begin() as connection:
        await store.create(connection, "acme", "tone", "", weights())
    for change in ({"tenant": "other"}, {"id": "mood"}, {"version": 9}):
        where = {"tenant": "acme", "id": "tone"} | change
        async with database.begin() as connection:
            await connection.execute(update(classifiers).values(**change))
            with pytest.raises(DatabaseUnavailable):
                await store.open(connection, str(where["tenant"]), str(where["id"]))
            await connection.execute(
                update(classifiers).values(tenant="acme", id="tone", version=1)
            )


async def test_two_tenants_of_equal_names_have_their_own(
    database: Database, clock: ManualClock
) -> None:
    store = repository(clock)
    async with database.begin() as connection:
        for tenant in ("acme", "other"):
            await store.create(connection, tenant, "tone", tenant, weights(tenant))
        await store.delete(connection, "acme", "tone")
        kept, _ = await store.open(connection, "other", "tone")
        with pytest.raises(NotFound):
            await store.open(connection, "acme", "tone")

    assert (kept.description, kept.labels) == ("other", ("other", "bad"))
