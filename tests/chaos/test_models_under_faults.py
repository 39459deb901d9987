"""Models while their replicas are killed and stopped: what callers notice of it.

Requests go to one ingress replica of the tier's cluster, so that its `/health` is of all calls.
Where a model is to stay dead for a while, Serve's controller is stopped meanwhile. Figures are
printed, and only bounds that hold on a busy machine are asserted; `./mobula bench failover` is for
those that need a quiet one.
"""

import asyncio
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress

import httpx
import pytest

from load_tests.benchmarks.common.tenants import usage_query
from tests.chaos.cluster_process import ClusterProcess
from tests.chaos.model_traffic import (
    STREAMED,
    Answer,
    Stream,
    ask,
    ask_all,
    asking,
    calls_of,
    read,
    slowest,
)
from tests.cluster.polling import eventually
from tests.cluster.tenants import make_tenant

STREAMS = 9
BUDGET = 10_000_000


@pytest.fixture
def ingress(embedded: ClusterProcess) -> str:
    """The URL of one ingress replica's own port."""
    embedded.wait_until_whole("Ingress", "Limiter")
    return min(embedded.ingress_addresses())


@pytest.fixture
async def client(embedded: ClusterProcess, ingress: str) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Authorization": f"Bearer {embedded.key}"}
    async with httpx.AsyncClient(base_url=ingress, headers=headers, timeout=60) as client:
        yield client


@contextmanager
def stopped(process: int) -> Iterator[None]:
    os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        with suppress(ProcessLookupError):  # Serve has replaced it
            os.kill(process, signal.SIGCONT)


def kill(embedded: ClusterProcess, model: str) -> None:
    os.kill(embedded.replicas(f"Model:{model}")[0], signal.SIGKILL)


async def test_a_killed_replica_fails_no_answer_and_only_its_own_streams(
    embedded: ClusterProcess, ingress: str, client: httpx.AsyncClient
) -> None:
    tenant = await make_tenant(client, budgets={"tokens": {"day": BUDGET}})
    streams = [Stream() for _ in range(STREAMS)]
    async with (
        httpx.AsyncClient(base_url=ingress, headers=tenant.headers, timeout=60) as reader,
        asking(client, "trio", workers=6) as answers,
    ):
        reading = [asyncio.create_task(read(reader, "trio", stream)) for stream in streams]
        await eventually(lambda: all(stream.text for stream in streams))
        kill(embedded, "trio")
        await asyncio.gather(*reading)
    broken = [stream for stream in streams if not stream.whole]
    print(  # noqa: T201
        f"killed 1 of 3: {len(answers)} answers, the slowest {slowest(answers):.2f} s; "
        f"{len(broken)} of {STREAMS} streams broke; {await calls_of(client, 'trio')}"
    )
    assert {answer.status for answer in answers} == {200}
    assert 1 <= len(broken) <= STREAMS // 2
    assert {stream.error for stream in broken} == {"replica_lost"}
    assert all(stream.status == 200 and len(stream.text) <= STREAMED for stream in streams)
    assert {len(stream.text) for stream in streams if stream.whole} == {STREAMED}

    async def only_whole_streams_are_charged() -> bool:
        """What came of broken ones is refunded, and what was set aside for them is free again."""
        usage = (await client.get("/api/v1/usage", params=usage_query(tenant.id))).json()
        view = (await client.get(f"/api/v1/tenants/{tenant.id}/limits")).json()
        left = next(each["remaining"] for each in view["state"] if each["kind"] == "budget")
        used = Counter({"output_tokens": 0})
        for row in usage["data"]:
            used.update(row["amounts"])
        written = sum(len(stream.text) for stream in streams if stream.whole)
        spent = used["input_tokens"] + used["output_tokens"]
        return used["output_tokens"] == written and left == BUDGET - spent

    await eventually(only_whole_streams_are_charged, timeout_s=30)


@pytest.mark.exhaustive
async def test_a_dead_model_is_answered_for_or_refused_at_once_and_found_again(
    embedded: ClusterProcess, client: httpx.AsyncClient
) -> None:
    models = ("frail", "alone")
    for model in models:
        embedded.wait_until_whole(f"Model:{model}")
        assert (await ask(client, model)).body["model"] == model
    with stopped(embedded.controller()):
        for model in models:
            kill(embedded, model)
        first = await asyncio.gather(*(ask_all(client, model, 24) for model in models))
        before = await calls_of(client, "frail")
        covered = await ask_all(client, "frail", 200)
        after = await calls_of(client, "frail")
        refused = await ask_all(client, "alone", 50)
        stream = await read(client, "frail", Stream())
    attempts = after["attempts"] - before["attempts"]
    print(  # noqa: T201
        f"dead: the first answers took up to {slowest(first[0]):.2f} s, the first refusals up to "
        f"{slowest(first[1]):.2f} s; then answers {slowest(covered):.3f} s, refusals "
        f"{slowest(refused):.3f} s, and {attempts} attempts in {len(covered)} calls"
    )
    assert {(a.status, a.instead, a.body["model"]) for a in [*first[0], *covered]} == {
        (200, "echo", "echo")
    }
    assert before["breaker"]["state"] != "closed"
    assert attempts <= 0.02 * len(covered)
    assert stream.whole
    assert all(_refusal(answer) for answer in [*first[1], *refused])
    assert slowest(first[1]) < 30
    for model in models:
        embedded.wait_until_whole(f"Model:{model}")
        up = await calls_of(client, model)

        async def is_back(model: str = model) -> bool:
            return (await ask(client, model)).body.get("model") == model

        await eventually(is_back, timeout_s=60)
        await eventually(is_back)
        back = await calls_of(client, model)
        print(f"{model} is back: {back}")  # noqa: T201
        assert back["breaker"]["probes"] - up["breaker"]["probes"] <= 3


def _refusal(answer: Answer) -> bool:
    return answer.status == 503 and int(answer.headers["retry-after"]) >= 1


@pytest.mark.exhaustive
async def test_a_stopped_replica_holds_up_its_calls_for_a_moment_and_others_not_at_all(
    embedded: ClusterProcess, client: httpx.AsyncClient
) -> None:
    embedded.wait_until_whole("Model:trio")
    async with asking(client, "trio", workers=6) as answers:
        await eventually(lambda: len(answers) > 60)
        with stopped(embedded.replicas("Model:trio")[0]):
            held = len(answers)
            await eventually(lambda: len(answers) > held + 150, timeout_s=90)
            late = len(answers)
            await eventually(lambda: len(answers) > late + 60, timeout_s=90)
    print(  # noqa: T201
        f"stopped 1 of 3: of {len(answers)} answers the slowest took {slowest(answers):.2f} s, "
        f"of the last {slowest(answers[late:]):.2f} s; {await calls_of(client, 'trio')}"
    )
    assert {answer.status for answer in answers} == {200}
    assert slowest(answers) < 40
