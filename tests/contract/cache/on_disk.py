"""Archives over one folder, as several processes or restarts would open it."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from cluster.runtime.clock import ManualClock, SystemClock
from deployments.cache.tiers.object_store_tier import ObjectStoreTier

MB = 2**20
TTL_S = 3600.0


def key(number: int) -> bytes:
    return number.to_bytes(32, "big")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(wall=SystemClock().wall())


Opening = Callable[..., ObjectStoreTier]


@pytest.fixture
async def opened(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Opening]:
    """Archives over one folder, as several processes or restarts would open it."""
    archives: list[ObjectStoreTier] = []

    def open_another(
        where: str = "", max_bytes: int = 64 * MB, **options: float
    ) -> ObjectStoreTier:
        place = where or str(tmp_path / "l3")
        archives.append(ObjectStoreTier(place, max_bytes, clock, timeout_s=5.0, **options))
        return archives[-1]

    yield open_another
    for archive in archives:
        await archive.close()


@pytest.fixture
def archive(opened: Opening) -> ObjectStoreTier:
    return opened()


def files(tmp_path: Path) -> list[Path]:
    return [path for path in (tmp_path / "l3").rglob("*") if path.is_file()]
