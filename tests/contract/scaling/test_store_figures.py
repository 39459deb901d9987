"""Figures that replicas read from the store they share: due deliveries, scaling decisions."""

from cluster.autoscaling import store
from cluster.autoscaling.decision import Decision
from cluster.metrics.catalogue import scaling, storage
from cluster.metrics.metric import Metric
from cluster.metrics.series import LabelValues
from cluster.runtime.clock import ManualClock
from cluster.storage.database import Database
from deployments.ingress.metrics.store_readings import StoreReadings


def figures(readings: StoreReadings) -> dict[Metric, dict[LabelValues, object]]:
    return {metric: dict(samples) for metric, samples in readings.read()}


async def record(database: Database, at: float, before: int, target: int, bound: str) -> None:
    decision = Decision("Model:chat", at, before, before, target, bound, "because")
    async with database.begin() as connection:
        await store.write(connection, [store.to_row(f"d{at:.3f}", decision)])


async def test_decisions_are_counted_once_and_only_since_the_start(
    database: Database, clock: ManualClock
) -> None:
    await record(database, clock.wall() - 30.0, 1, 9, "queue")
    readings = StoreReadings(database, clock)
    await readings.refresh()
    assert figures(readings)[scaling.DECISIONS] == {}

    await record(database, clock.wall(), 1, 2, "queue")
    clock.advance(1.0)
    await record(database, clock.wall(), 2, 2, "cooldown")
    await readings.refresh()
    await readings.refresh()
    clock.advance(30.0)
    await record(database, clock.wall() - 5.0, 2, 1, "queue")  # written later than it was made
    await readings.refresh()

    assert figures(readings)[scaling.DECISIONS] == {
        ("Model:chat", "up", "queue"): 1,
        ("Model:chat", "hold", "cooldown"): 1,
        ("Model:chat", "down", "queue"): 1,
    }


async def test_without_webhooks_nothing_is_due(database: Database, clock: ManualClock) -> None:
    readings = StoreReadings(database, clock)
    assert storage.WEBHOOK_BACKLOG not in figures(readings), "nobody has looked yet"

    await readings.refresh()

    assert figures(readings)[storage.WEBHOOK_BACKLOG] == {(): 0}
    assert figures(readings)[storage.WEBHOOK_OLDEST] == {(): 0.0}
