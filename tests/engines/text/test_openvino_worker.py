"""The openvino process's loop, driven step by step in this process over the real pipeline."""

from collections.abc import Iterator
from typing import Any

import pytest

from deployments.model.engines.ipc_messages import GenerateCommand, TokenBatch
from deployments.model.engines.openvino_generation import GenerationWorker
from deployments.model.engines.openvino_grammars import PipelineRenewal, load_compiler
from deployments.model.engines.openvino_worker import WorkerOptions, load, load_both, warm_up
from deployments.model.model_files import NANO
from tests.engines.text.sequences import nano_prompts

PROMPTS = nano_prompts()


@pytest.fixture(scope="module")
def worker() -> GenerationWorker:
    made = GenerationWorker(load(WorkerOptions(NANO / "openvino", "CPU", 1, "f32", 4, 640)), 4, 640)
    warm_up(made)
    return made


@pytest.fixture(autouse=True)
def _quiet(worker: GenerationWorker) -> Iterator[None]:
    yield
    assert not worker.busy


def _job(key: int, max_tokens: int = 500, **changes: Any) -> GenerateCommand:
    job = GenerateCommand(
        key, PROMPTS[key % 6], max_tokens, frozenset(), 0.0, 1.0, 0, 0, 0.0, 0.0, False, 0.0
    )
    return job._replace(**changes)


def _drain(worker: GenerationWorker) -> list[TokenBatch]:
    batches: list[TokenBatch] = []
    while worker.busy:
        batches += worker.turn()
    return batches


def test_a_cancelled_sequence_is_gone_after_one_step(worker: GenerationWorker) -> None:
    for key in (1, 2):
        worker.submit(_job(key))
    for _ in range(3):
        worker.turn()
    before = worker.steps

    worker.cancel(1)
    batches = worker.turn()

    assert TokenBatch(1, end="cancelled") in batches
    assert worker.steps - before == 1
    worker.cancel(2)
    assert TokenBatch(2, end="cancelled") in worker.turn()
    worker.turn()
    assert not worker._pipeline.has_non_finished_requests()


def test_a_waiting_sequence_leaves_without_a_step(worker: GenerationWorker) -> None:
    for key in range(6):
        worker.submit(_job(key, max_tokens=4))
    worker.cancel(5)

    ends = [(batch.key, batch.end) for batch in _drain(worker) if batch.end]

    assert ends[0] == (5, "cancelled")
    assert sorted(ends[1:]) == [(key, "length") for key in range(5)]


def test_a_full_cache_sets_sequences_back_without_changing_them(worker: GenerationWorker) -> None:
    """The cache holds 640 tokens; four sequences of 300 need twice that."""
    alone: dict[int, tuple[int, ...]] = {}
    for key in range(4):
        worker.submit(_job(key, max_tokens=280, interval_s=float("inf")))
        alone[key] = _drain(worker)[-1].ids
    for key in range(4):
        worker.submit(_job(key, max_tokens=280, interval_s=float("inf")))

    together = {batch.key: batch.ids for batch in _drain(worker)}

    assert together == alone


def test_a_sequence_that_the_cache_cannot_hold_fails_alone(worker: GenerationWorker) -> None:
    worker.submit(_job(1, max_tokens=4, prompt=PROMPTS[0] * 60))
    worker.submit(_job(2, max_tokens=4))

    ends = {batch.key: batch.end for batch in _drain(worker) if batch.end}

    assert ends == {1: "error", 2: "length"}


def test_a_job_that_the_library_refuses_fails_alone(worker: GenerationWorker) -> None:
    worker.submit(_job(1, prompt=()))
    worker.submit(_job(2, max_tokens=2))

    ends = {batch.key: batch.end for batch in _drain(worker) if batch.end}

    assert ends == {1: "error", 2: "length"}


def test_ignoring_eos_ignores_the_models_own_eos(worker: GenerationWorker) -> None:
    """With no stop ids nothing ends a sequence, although the model's settings name an eos token."""
    worker.submit(_job(1, max_tokens=120, interval_s=float("inf"), temperature=2.0, seed=4))

    (batch,) = _drain(worker)

    assert (len(batch.ids), batch.end) == (120, "length")


@pytest.fixture(scope="module")
def grammar_worker() -> GenerationWorker:
    pipeline = load(WorkerOptions(NANO / "openvino", "CPU", 1, "f32", 4, 640))
    compiler = load_compiler(pipeline, NANO / "openvino", "CPU")
    assert compiler is not None
    return GenerationWorker(pipeline, 4, 640, compiler)


def test_a_grammar_that_does_not_compile_is_refused_alone(grammar_worker: GenerationWorker) -> None:
    stop = frozenset({2})
    grammar_worker.submit(_job(1, max_tokens=8, grammar="root ::= missing"))
    grammar_worker.submit(_job(2, max_tokens=8, grammar='root ::= "ok"', stop_ids=stop))
    grammar_worker.submit(_job(3, max_tokens=8))

    ends = {batch.key: batch.end for batch in _drain(grammar_worker) if batch.end}

    assert ends == {1: "refused", 2: "stop", 3: "length"}


def test_sequences_go_on_while_a_grammar_is_compiled(grammar_worker: GenerationWorker) -> None:
    grammar_worker.submit(_job(1, max_tokens=400))
    grammar_worker.turn()
    job = _job(2, max_tokens=8, grammar='root ::= "a" [b-z]{0,90}', stop_ids=frozenset({2}))
    grammar_worker.submit(job)

    grammar_worker.turn()
    before = grammar_worker.steps
    while grammar_worker.busy and job.key in grammar_worker._waiting:
        grammar_worker.turn()

    assert grammar_worker.steps > before
    _drain(grammar_worker)


def test_a_job_that_waits_for_its_grammar_may_be_cancelled(
    grammar_worker: GenerationWorker,
) -> None:
    grammar_worker.submit(_job(1, grammar='root ::= "c" [b-z]{0,80}'))
    grammar_worker.turn()

    grammar_worker.cancel(1)

    assert [batch.end for batch in _drain(grammar_worker)] == ["cancelled"]


def test_new_pipelines_take_over_when_grammars_fill_the_memory() -> None:
    options = WorkerOptions(NANO / "openvino", "CPU", 1, "f32", 4, 640)
    memory = iter([0, 0])
    pipeline, compiler = load_both(options)
    renewal = PipelineRenewal(lambda: load_both(options), lambda: next(memory, 1 << 40))
    worker = GenerationWorker(pipeline, 4, 640, compiler, renewal)
    worker.submit(_job(0, max_tokens=500, interval_s=float("inf")))
    ends: dict[int, str | None] = {}
    key = 0
    while worker._pipeline is pipeline:  # as many jobs as there is time for until it is loaded
        key += 1
        grammar = f'root ::= "grammar {key}"'
        worker.submit(_job(key, max_tokens=20, grammar=grammar, stop_ids=frozenset({2})))
        ends |= {batch.key: batch.end for batch in _drain_until(worker, key)}

    ends |= {batch.key: batch.end for batch in _drain(worker)}

    assert ends.pop(0) == "length"
    assert set(ends.values()) == {"stop"}
    assert not worker._retired


def _drain_until(worker: GenerationWorker, key: int) -> list[TokenBatch]:
    ended: list[TokenBatch] = []
    while not any(batch.key == key for batch in ended):
        ended += [batch for batch in worker.turn() if batch.end]
    return ended
