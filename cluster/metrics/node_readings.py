"""What this machine uses: its CPUs, memory, disks and GPUs.

In: nothing but the machine and the folders of the product. Out: readings, at the scrape. They are
taken in a thread, because a file system that is away can hold its caller up for minutes: the scrape
gets what the last one has asked for, so the first one gets nothing. Every replica tells them; the
scrape keeps one report of each node.
"""

import logging
import threading
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import psutil

from cluster.metrics.catalogue import node
from cluster.metrics.metric import Metric
from cluster.metrics.series import Reading, Sample
from cluster.runtime.settings import Settings

SCRATCH = "scratch"  # in the home
Figures = Mapping[Metric, list[Sample]]

logger = logging.getLogger("mobula.metrics")


class NodeReadings:
    """`settings` None: those of the process, when it is asked first."""

    def __init__(self, settings: Settings | None = None) -> None:
        self._settings = settings
        self._figures: Figures = {}
        self._thread: threading.Thread | None = None

    def read(self) -> Iterator[Reading]:
        """The latest figures; begins to take newer ones unless that is still under way."""
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._take, name="node-figures", daemon=True)
            self._thread.start()
        yield from self._figures.items()

    def wait(self, timeout_s: float) -> None:
        """Until figures that are being taken are there."""
        if self._thread is not None:
            self._thread.join(timeout_s)

    def _take(self) -> None:
        try:
            if self._settings is None:
                self._settings = Settings()
            self._figures = {**node_figures(self._settings), **gpu_figures(self._settings)}
        except Exception:
            logger.exception("figures of the node could not be read")


def node_figures(settings: Settings) -> Figures:
    """CPUs, memory and disks."""
    name, memory = settings.node_address, psutil.virtual_memory()
    disks = {"home": settings.home, SCRATCH: settings.home / SCRATCH}
    usages = {
        disk: psutil.disk_usage(str(folder))
        for disk, folder in disks.items()
        if Path(folder).is_dir()
    }
    return {
        node.CPU: [((name,), psutil.cpu_percent(None) / 100)],
        node.CPUS: [((name,), psutil.cpu_count() or 0)],
        node.MEMORY: [((name,), memory.total)],
        node.MEMORY_AVAILABLE: [((name,), memory.available)],
        node.DISK: [((name, disk), usage.total) for disk, usage in usages.items()],
        node.DISK_FREE: [((name, disk), usage.free) for disk, usage in usages.items()],
    }


def gpu_figures(settings: Settings) -> Figures:
    """Empty without NVIDIA's library (the package nvidia-ml-py), or without a GPU."""
    try:
        nvml: Any = import_module("pynvml")
        nvml.nvmlInit()
    except Exception:  # noqa: BLE001 - not installed, or no driver: there is nothing to tell
        return {}
    used: list[Sample] = []
    memory: list[Sample] = []
    memory_used: list[Sample] = []
    try:
        for number in range(nvml.nvmlDeviceGetCount()):
            gpu = nvml.nvmlDeviceGetHandleByIndex(number)
            labels = (settings.node_address, str(number))
            used.append((labels, nvml.nvmlDeviceGetUtilizationRates(gpu).gpu / 100))
            figures = nvml.nvmlDeviceGetMemoryInfo(gpu)
            memory.append((labels, figures.total))
            memory_used.append((labels, figures.used))
    finally:
        nvml.nvmlShutdown()
    return {node.GPU_USED: used, node.GPU_MEMORY: memory, node.GPU_MEMORY_USED: memory_used}
