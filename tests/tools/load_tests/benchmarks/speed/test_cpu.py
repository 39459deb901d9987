"""`mobula bench cpu`: every kind of request is answered, and bodies are compared as they are."""

import argparse
import gc
from pathlib import Path

import msgspec
import pytest

from deployments.contracts.engine import TokenRequest
from deployments.contracts.generation import Chunk, Completion, GenerateRequest
from deployments.ingress.context import RequestState
from deployments.ingress.schemas.openai import ChatRequest, CompletionRequest
from load_tests.benchmarks.speed import bench_cpu
from load_tests.benchmarks.speed.bench_cpu import (
    BARE,
    CASES,
    PROMPT,
    CpuCase,
    CpuCost,
    main,
    measure,
)
from load_tests.benchmarks.speed.body_validation import bodies, msgspec_twin

OF_A_REQUEST = (RequestState, GenerateRequest, Completion, Chunk, TokenRequest)
QUICK = [case for case in CASES if not case.spread]


async def test_every_kind_of_request_is_answered_in_one_write_or_one_for_each_chunk(
    tmp_path: Path,
) -> None:
    options = argparse.Namespace(rounds=1, requests=8, connections=2)

    costs = {cost.case.name: cost for cost in await measure(tmp_path, QUICK, options)}

    assert all(cost.ms > 0 for cost in costs.values())
    assert costs["chat, cached"].writes == costs["chat, computed"].writes == 1
    assert costs["stream of 50, at once"].writes < 5


@pytest.mark.parametrize("case", QUICK, ids=lambda case: case.name)
async def test_a_request_leaves_no_reference_cycle(
    tmp_path: Path, case: CpuCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So the collector may run rarely (cluster/runtime/garbage_collection.py)."""
    left: list[list[object]] = []
    run_load = bench_cpu.Load.run

    async def run(load: bench_cpu.Load, idle: float) -> float:
        gc.collect()
        cost = await run_load(load, idle)
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        gc.set_debug(0)
        left.append([each for each in gc.garbage if isinstance(each, OF_A_REQUEST)])
        gc.garbage.clear()
        return cost

    monkeypatch.setattr(bench_cpu.Load, "run", run)
    gc.disable()
    try:
        await measure(tmp_path, [case], argparse.Namespace(rounds=1, requests=40, connections=4))
    finally:
        gc.set_debug(0)
        gc.enable()

    assert left[-1] == []


@pytest.mark.parametrize("case", [case for case in CASES if case.spread], ids=lambda c: c.name)
def test_streams_that_are_spread_in_time_have_a_target(case: CpuCase) -> None:
    assert case.at_most_ms == 6


def test_the_twin_of_a_schema_takes_its_bodies_and_refuses_others() -> None:
    for schema, body in bodies(PROMPT).items():
        decoder = msgspec.json.Decoder(msgspec_twin(schema))
        decoded = decoder.decode(msgspec.json.encode(body))
        assert decoded.model == body["model"]
    for wrong in ({"model": 1}, {"model": "m", "messages": [{"role": "x", "content": ""}]}, {}):
        with pytest.raises(msgspec.ValidationError):
            msgspec.json.decode(msgspec.json.encode(wrong), type=msgspec_twin(ChatRequest))


def test_bodies_of_the_hottest_operations_are_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("load_tests.benchmarks.speed.body_validation.CALLS", 3)
    report = tmp_path / "report.json"

    assert main(["--validation", "--rounds", "1", "--json", str(report)]) == 0

    keys = {row["key"] for row in msgspec.json.decode(report.read_bytes())["rows"]}
    assert keys >= {"chatrequest.pydantic", "chatrequest.msgspec"}
    assert len(keys) == 2 * len(bodies(PROMPT))
    assert CompletionRequest in bodies(PROMPT)


def test_a_difference_to_an_idle_process_is_a_median_and_no_minimum() -> None:
    spread = next(case for case in CASES if case.spread)

    assert CpuCost(spread, (-3.0, 4.0, 5.0), 1.0).ms == 4.0
    assert CpuCost(BARE, (3.0, 4.0, 5.0), 1.0).ms == 3.0
