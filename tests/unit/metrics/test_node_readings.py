"""What a node uses, once its figures are taken; they are taken beside the scrape."""

import sys
import threading
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from cluster.metrics import node_readings
from cluster.metrics.catalogue import node
from cluster.metrics.node_readings import NodeReadings, gpu_figures, node_figures
from cluster.runtime.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path, node_address="10.0.0.7")


def test_cpus_memory_and_disks_are_reported_by_node(settings: Settings) -> None:
    found = node_figures(settings)

    [(labels, available)] = found[node.MEMORY_AVAILABLE]
    [(_, total)] = found[node.MEMORY]
    assert labels == ("10.0.0.7",)
    assert 0 < available <= total  # type: ignore[operator]
    assert [labels for labels, _ in found[node.DISK]] == [("10.0.0.7", "home")]

    (settings.home / "scratch").mkdir()
    disks = [labels for labels, _ in node_figures(settings)[node.DISK_FREE]]
    assert disks == [("10.0.0.7", "home"), ("10.0.0.7", "scratch")]


def test_a_scrape_gets_what_the_one_before_has_asked_for(settings: Settings) -> None:
    readings = NodeReadings(settings)

    assert list(readings.read()) == []
    readings.wait(30)

    assert dict(readings.read())[node.CPUS]


def test_a_file_system_that_hangs_holds_nobody_up(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    released, before = threading.Event(), set(threading.enumerate())
    monkeypatch.setattr(node_readings, "node_figures", lambda _: released.wait(30) and {})
    readings = NodeReadings(settings)

    for _ in range(5):
        assert list(readings.read()) == []

    assert len(set(threading.enumerate()) - before) == 1, "one thread waits, not one a scrape"
    released.set()
    readings.wait(30)


def test_without_a_gpu_there_are_no_figures_of_one(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert gpu_figures(settings) == {}


def test_gpus_are_reported_by_number(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    library = ModuleType("pynvml")
    calls: list[str] = []
    functions = {
        "nvmlInit": lambda: calls.append("init"),
        "nvmlShutdown": lambda: calls.append("shutdown"),
        "nvmlDeviceGetCount": lambda: 2,
        "nvmlDeviceGetHandleByIndex": lambda number: number,
        "nvmlDeviceGetUtilizationRates": lambda number: SimpleNamespace(gpu=50 * number),
        "nvmlDeviceGetMemoryInfo": lambda number: SimpleNamespace(total=80, used=number),
    }
    for name, function in functions.items():
        setattr(library, name, function)
    monkeypatch.setitem(sys.modules, "pynvml", library)

    found = gpu_figures(settings)

    assert found[node.GPU_USED] == [(("10.0.0.7", "0"), 0.0), (("10.0.0.7", "1"), 0.5)]
    assert found[node.GPU_MEMORY_USED] == [(("10.0.0.7", "0"), 0), (("10.0.0.7", "1"), 1)]
    assert found[node.GPU_MEMORY][0] == (("10.0.0.7", "0"), 80)
    assert calls == ["init", "shutdown"]
