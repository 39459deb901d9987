"""How long the openvino process holds tokens back: its loop over a scripted pipeline and clock."""

from collections import deque
from dataclasses import dataclass, field
from typing import Any

import pytest

from deployments.model.engines.ipc_messages import GenerateCommand, TokenBatch
from deployments.model.engines.openvino_generation import GenerationWorker

TICK_S = 2.0**-10  # exact, so that sums are
INTERVAL_S = 5 * TICK_S


class Reason:
    name = "NONE"


@dataclass
class Output:
    generated_ids: list[int]
    generated_log_probs: list[float] = field(default_factory=list)
    finish_reason: type[Reason] = Reason


class Handle:
    """One sequence: a token each step."""

    def __init__(self) -> None:
        self.unread: deque[int] = deque()

    def can_read(self) -> bool:
        return bool(self.unread)

    def read(self) -> dict[int, Output]:
        ids = list(self.unread)
        self.unread.clear()
        return {0: Output(ids)}

    def cancel(self) -> None: ...


class Pipeline:
    """Its steps take `step_s` of its own time."""

    def __init__(self) -> None:
        self.time = 100.0
        self.step_s = TICK_S
        self.handles: list[Handle] = []

    def now(self) -> float:
        return self.time

    def add_request(self, key: int, prompt: Any, config: Any) -> Handle:
        self.handles.append(Handle())
        return self.handles[-1]

    def has_non_finished_requests(self) -> bool:
        return bool(self.handles)

    def step(self) -> None:
        self.time += self.step_s
        for handle in self.handles:
            handle.unread.append(7)


@pytest.fixture
def pipeline() -> Pipeline:
    return Pipeline()


@pytest.fixture
def worker(pipeline: Pipeline) -> GenerationWorker:
    return GenerationWorker(pipeline, 4, 10_000, now=pipeline.now)


def job(key: int, interval_s: float = INTERVAL_S) -> GenerateCommand:
    return GenerateCommand(
        key, (1, 2), 500, frozenset(), 0.0, 1.0, 0, 0, 0.0, 0.0, False, interval_s
    )


def sizes(batches: list[TokenBatch]) -> list[int]:
    return [len(batch.ids) for batch in batches]


def test_tokens_that_follow_a_batch_within_the_interval_come_together(
    worker: GenerationWorker,
) -> None:
    worker.submit(job(1))

    turns = [sizes(worker.turn()) for _ in range(11)]

    assert turns == [[1], [], [], [], [], [5], [], [], [], [], [5]]


@pytest.mark.parametrize("step_s", [3 * TICK_S, INTERVAL_S, 0.2])
def test_a_token_that_would_be_held_through_a_long_step_is_sent_before_it(
    worker: GenerationWorker, pipeline: Pipeline, step_s: float
) -> None:
    pipeline.step_s = step_s
    worker.submit(job(1))

    assert [sizes(worker.turn()) for _ in range(4)] == [[1]] * 4


def test_held_tokens_are_sent_before_the_prompt_of_another_request_is_read(
    worker: GenerationWorker, pipeline: Pipeline
) -> None:
    worker.submit(job(1))
    worker.turn()
    worker.turn()
    worker.turn()
    worker.submit(job(2))

    assert worker.flush() == [TokenBatch(1, (7, 7))]
    assert worker.flush() == []
    pipeline.step_s = 0.2
    assert sizes(worker.turn()) == [1, 1]


def test_nothing_is_sent_early_while_no_request_waits_for_a_place(
    worker: GenerationWorker,
) -> None:
    worker.submit(job(1))
    worker.turn()
    worker.turn()

    assert worker.flush() == []


def test_a_response_in_one_piece_is_not_sent_early(worker: GenerationWorker) -> None:
    worker.submit(job(1, float("inf")))
    worker.turn()
    worker.submit(job(2, float("inf")))

    assert worker.flush() == []
    assert worker.turn() == []
