"""What a text model reports of itself: load, metrics, and figures to select a replica by."""

from collections.abc import Iterator

from cluster.metrics.catalogue import generation
from cluster.metrics.series import Reading
from cluster.runtime.clock import Clock
from deployments.contracts.engine import Engine
from deployments.model.load_stats import RoutingStats, Throughput
from deployments.model.queueing.admission import Admission


class LoadReport:
    """Reads the engine's counters and the queue in front of it."""

    def __init__(self, model: str, engine: Engine, admission: Admission, clock: Clock) -> None:
        self.routing = RoutingStats()
        self._model = model
        self._engine = engine
        self._admission = admission
        self._throughput = Throughput(clock)

    def load(self) -> dict[str, int | float]:
        """Sequences running and queued now, and tokens a second over the last second or more."""
        rate = self._throughput.rate(self._engine.stats().tokens_out)
        return {**self._admission.load(), "tokens_per_s": rate}

    def read_metrics(self) -> Iterator[Reading]:
        """Of this model since it started."""
        id, stats = self._model, self._engine.stats()
        yield generation.RUNNING, [((id,), self._admission.running)]
        yield generation.QUEUE_LENGTH, [((id,), self._admission.waiting + stats.waiting)]
        outcomes = {
            "finished": stats.finished,
            "cancelled": stats.cancelled,
            "failed": stats.failed,
        }
        yield generation.SEQUENCES, [((id, name), count) for name, count in outcomes.items()]
        yield generation.ENGINE_STEPS, [((id,), stats.steps)]
        yield generation.ENGINE_TOKENS, [((id,), stats.tokens_out)]
        yield generation.ENGINE_RUNNING, [((id,), stats.running)]
        yield generation.ENGINE_WAITING, [((id,), stats.waiting)]
        yield from self._admission.read_metrics(id)

    def read_routing(self) -> dict[str, int | float]:
        """Figures by which callers select a replica."""
        admission, rate = self._admission, self.load()["tokens_per_s"]
        running, waiting = admission.running, admission.waiting
        return self.routing.summary(running, waiting, admission.queue.limit, rate)
