"""What a measurement ran on. In: nothing. Out: a JSON-ready description of the machine."""

import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

_PACKAGES = ("ray", "torch", "transformers", "openvino-genai", "vllm", "fastapi", "tokenizers")


def describe_machine() -> dict[str, object]:
    """CPU, cores this process may use, memory in GiB, how busy it was, and library versions."""
    memory = psutil.virtual_memory()
    return {
        "cpu": _cpu_model(),
        "cores": psutil.cpu_count(logical=True),
        "usable_cores": len(psutil.Process().cpu_affinity()),
        "memory_gib": round(memory.total / 2**30, 1),
        "free_gib": round(memory.available / 2**30, 1),
        "load_1_min": round(psutil.getloadavg()[0], 2),
        "system": platform.platform(),
        "python": platform.python_version(),
        "packages": {name: found for name in _PACKAGES if (found := _version(name))},
    }


def _cpu_model() -> str:
    path = Path("/proc/cpuinfo")
    if path.exists():
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
