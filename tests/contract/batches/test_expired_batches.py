"""A batch has expired where its day ended before all of its lines were called."""

from pathlib import Path
from random import Random

from deployments.batches.model import MAX_AGE_S
from tests.contract.batches.test_killed_workers import Killing, small_steps
from tests.contract.jobs.office import Office

__all__ = ["small_steps"]  # segments of three lines


async def result_of(killing: Killing) -> dict[str, object]:
    return dict((await killing.office.store.get("acme", killing.job.id)).result)


async def test_a_batch_whose_lines_were_all_called_has_not_expired_whenever_it_ends(
    office: Office, tmp_path: Path
) -> None:
    killing = Killing(office, tmp_path, "file", 4, Random(1))
    await killing.order()
    killing.on_call = {3: lambda: office.clock.advance(MAX_AGE_S + 1)}

    await killing.work(None)

    assert await result_of(killing) == {"succeeded": 4, "failed": 0, "expired": False}


async def test_lines_that_were_not_called_in_time_make_it_expired_also_after_a_kill(
    office: Office, tmp_path: Path
) -> None:
    killing = Killing(office, tmp_path, "file", 7, Random(1))
    await killing.order()
    office.clock.advance(MAX_AGE_S + 1)

    transactions = 1
    while not await killing.has_ended():  # killed before the last, when every line is stored
        transactions += 1
        await killing.work(transactions)

    assert await result_of(killing) == {"succeeded": 0, "failed": 7, "expired": True}
    assert {status for _, status in await killing.outcomes()} == {408}
