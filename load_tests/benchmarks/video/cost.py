"""What work costs: CPU-seconds of all its processes, and wall time. In: contenders. Out: the least
each of them took, over rounds in which they took turns.

The least of some runs is what a noisy machine hides least. CPU-seconds are counted by the kernel
when children are reaped; of processes that are no children of ours, `elsewhere` tells.
"""

import contextlib
import resource
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from time import perf_counter

import psutil

Work = Callable[[], object]
ProgressCallback = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Cost:
    cpu_s: float
    wall_s: float


def measure_cost(work: Work, elsewhere: Callable[[], float] | None = None) -> Cost:
    """Of `work`, the processes it starts and waits for, and those `elsewhere` counts."""
    other = elsewhere or (lambda: 0.0)
    cpu, wall = _cpu_s() + other(), perf_counter()
    work()
    took = perf_counter() - wall
    return Cost(_cpu_s() + other() - cpu, took)


def _cpu_s() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def read_cpu_s(processes: Iterable[psutil.Process]) -> float:
    """CPU-seconds so far of these and of all that they started and reaped."""
    total = 0.0
    for process in processes:
        with contextlib.suppress(psutil.Error):
            total += sum(process.cpu_times()[:4])  # own and children's, user and system
    return total


def measure_in_turn(
    contenders: Mapping[str, Work],
    rounds: int,
    progress_callback: ProgressCallback,
    elsewhere: Callable[[], float] | None = None,
) -> dict[str, list[Cost]]:
    """Each contender's cost in each round; another one begins each time."""
    names = list(contenders)
    costs: dict[str, list[Cost]] = {name: [] for name in names}
    for turn in range(rounds):
        shift = turn % max(1, len(names))
        for name in [*names[shift:], *names[:shift]]:
            costs[name].append(measure_cost(contenders[name], elsewhere))
        progress_callback(f"round {turn + 1} of {rounds} done: {', '.join(names)}")
    return costs


def select_least(costs: Mapping[str, list[Cost]]) -> dict[str, Cost]:
    return {
        name: Cost(min(one.cpu_s for one in each), min(one.wall_s for one in each))
        for name, each in costs.items()
    }


def build_rows(costs: Mapping[str, list[Cost]]) -> dict[str, list[dict[str, float]]]:
    """For the report."""
    return {name: [asdict(one) for one in each] for name, each in costs.items()}
