"""How often Python looks for reference cycles in a process that serves requests.

An open request holds some hundred container objects, and its end leaves no cycle behind
(tests/tools/load_tests/benchmarks/speed/test_cpu.py). By Python's default the collector runs after
700 more objects were made than freed, so with a few requests open it runs for every few of them and
finds nothing.
"""

import gc

YOUNG_OBJECTS = 20_000  # between two collections of the youngest generation; a few MiB


def collect_rarely() -> None:
    """For the whole process; the older generations' thresholds stay as they are."""
    _, middle, old = gc.get_threshold()
    gc.set_threshold(YOUNG_OBJECTS, middle, old)
