"""What this process uses. In: nothing but the process. Out: readings, at the scrape only."""

from collections.abc import Callable, Iterator

import psutil

from cluster.metrics.catalogue import process
from cluster.metrics.series import Reading, Source


def process_source(deployment: Callable[[], str], loop_lag: Callable[[], float]) -> Source:
    """`deployment` names what the process is a replica of, `loop_lag` tells by how many seconds its
    event loop was late lately."""
    own = psutil.Process()
    started = own.create_time()

    def read() -> Iterator[Reading]:
        labels = (deployment(),)
        with own.oneshot():
            times, memory = own.cpu_times(), own.memory_info().rss
            open_files, threads = own.num_fds(), own.num_threads()
        yield process.STARTED, [(labels, started)]
        yield process.CPU, [(labels, times.user + times.system)]
        yield process.MEMORY, [(labels, memory)]
        yield process.OPEN_FILES, [(labels, open_files)]
        yield process.THREADS, [(labels, threads)]
        yield process.LOOP_LAG, [(labels, loop_lag())]

    return read
