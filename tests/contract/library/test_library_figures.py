"""What the library tells of itself: posts, changes, and events that are late."""

from cluster.administration.library import LibraryService
from cluster.health.checks.library import LATE_S, STUCK_S, LibraryCheck
from cluster.library.due import DuePostPublisher
from cluster.metrics.catalogue import library as figures
from cluster.metrics.metric import Metric
from cluster.runtime.clock import ManualClock
from cluster.storage.database import Database
from deployments.ingress.metrics.store_readings import StoreReadings
from tests.contract.library.conftest import ANA, draft
from tests.contract.library.test_due_posts import schedule


async def read(readings: StoreReadings) -> dict[Metric, object]:
    await readings.refresh()
    return {metric: dict(samples).get(()) for metric, samples in readings.read()}


async def test_posts_that_are_due_are_told_until_their_event_is_written(
    library: LibraryService, database: Database, clock: ManualClock
) -> None:
    readings, check = StoreReadings(database, clock), LibraryCheck(database, clock)
    await library.create(ANA, "acme", draft(id="p"))
    await schedule(library, clock, "p", 60.0)
    assert (await check()).state == "up"

    clock.advance(61.0 + LATE_S)
    late, told = await check(), await read(readings)
    clock.advance(STUCK_S)
    stuck = await check()
    publisher = DuePostPublisher(database, clock, lambda: None)
    await publisher.run_once()
    mended = await read(readings)

    assert (late.state, late.detail) == ("degraded", "1 posts are due, the oldest for 31 s")
    assert told[figures.OVERDUE] == 1
    assert told[figures.POSTS] == 1
    assert stuck.state == "down"
    assert (mended[figures.OVERDUE], mended[figures.OLDEST_OVERDUE]) == (0, 0.0)
    assert dict(dict(publisher.events.read())[figures.DUE_EVENTS]) == {(): 1}
    assert (await check()).state == "up"


async def test_changes_are_counted_by_what_was_done(library: LibraryService) -> None:
    await library.create(ANA, "acme", draft(id="p"))
    await library.create(ANA, "acme", draft(id="q"))
    await library.change_many(ANA, "acme", ["p", "q", "nobody"], None)

    counts = dict(dict(library.changes.read())[figures.CHANGES])

    assert (counts[("create",)], counts[("bulk",)], counts[("update",)]) == (2, 2, 0)
