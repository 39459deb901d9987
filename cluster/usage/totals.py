"""What this process has handed to the ledger's store since it started, for metrics.

In: the ledger's batches, each once, off the path of requests. Out: readings. A kill takes the last
batch from the counters only: the journal has it.
"""

from collections.abc import Iterator, Sequence

from cluster.metrics.catalogue import generation, tenants
from cluster.metrics.series import Counter, Reading
from cluster.tenants.units import Unit
from cluster.usage.increments import Increment

_DIRECTIONS = {Unit.INPUT_TOKENS.value: "input", Unit.OUTPUT_TOKENS.value: "output"}
_NANO_PER_MICRO = 1000


class UsageTotals:
    def __init__(self) -> None:
        self._model_tokens = Counter(generation.TOKENS)
        self._tenant_tokens = Counter(tenants.TOKENS)
        self._cost, self._revenue = Counter(tenants.COST), Counter(tenants.REVENUE)

    def add(self, increments: Sequence[Increment]) -> None:
        for each in increments:
            direction = _DIRECTIONS.get(each.unit)
            if direction is not None:
                self._model_tokens.add((each.model, direction), each.amount)
                self._tenant_tokens.add((each.tenant, direction), each.amount)
            if each.cost:
                self._cost.add((each.tenant,), each.cost / _NANO_PER_MICRO)
            if each.revenue:
                self._revenue.add((each.tenant,), each.revenue / _NANO_PER_MICRO)

    def read(self) -> Iterator[Reading]:
        for counter in (self._model_tokens, self._tenant_tokens, self._cost, self._revenue):
            yield from counter.read()
