"""A client that leaves while its request takes an upload does not keep it."""

import asyncio

from sqlalchemy import func, select

from cluster.storage.database import Database
from cluster.storage.tables import uploads
from tests.contract.uploads.upload_bench import Bench

MOMENTS = 40


async def test_an_upload_is_free_whenever_the_client_left_that_was_about_to_hold_it(
    bench: Bench,
) -> None:
    made = await bench.desk.create("acme", "k", "a.mp4", 100)

    async def hold() -> None:
        async with bench.desk.lock("acme", made.id, 0):
            await asyncio.sleep(0)

    for moment in range(MOMENTS):
        leaving = asyncio.create_task(hold())
        await asyncio.sleep(moment * 0.0002)
        leaving.cancel()
        await asyncio.wait((leaving,))
        await hold()  # raises UploadLocked where it is held


async def test_an_upload_that_nobody_was_told_of_takes_no_place(
    bench: Bench, database: Database
) -> None:
    for moment in range(MOMENTS):
        creating = asyncio.create_task(bench.desk.create("acme", "k", "a.mp4", 100))
        await asyncio.sleep(moment * 0.0002)
        creating.cancel()
        await asyncio.wait((creating,))
        if not creating.cancelled():
            await bench.desk.delete("acme", creating.result().id)
    async with database.read() as connection:
        counting = select(func.count()).select_from(uploads)
        assert (await connection.execute(counting)).scalar_one() == 0
