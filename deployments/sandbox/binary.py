"""The programs of children, and the paths they need to start."""

import sys
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_SYSTEM_PATHS = (
    "/usr",
    "/lib",
    "/lib64",
    "/bin",
    "/nix/store",
    "/proc/self",  # of the child itself, not of others
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/proc/stat",
    "/proc/filesystems",
    "/proc/sys/vm",
    "/sys/devices/system/cpu",
    "/etc/ld.so.cache",
    "/etc/fonts",
    "/etc/localtime",
    "/dev/urandom",
    "/dev/random",
)
_DEVICES = ("/dev/null", "/dev/zero")


@cache
def ffmpeg_binary() -> str:
    """The absolute path of the ffmpeg that the pinned imageio-ffmpeg brings."""
    from imageio_ffmpeg import get_ffmpeg_exe

    return str(Path(get_ffmpeg_exe()).resolve())


def python_binary() -> str:
    return sys.executable


@cache
def default_readable() -> tuple[str, ...]:
    """What every child may read: the system's programs and libraries, and this Python's."""
    own = (sys.prefix, sys.base_prefix, sys.exec_prefix, str(Path(__file__).parent))
    return tuple(path for path in dict.fromkeys(_SYSTEM_PATHS + own) if Path(path).exists())


@cache
def default_writable() -> tuple[str, ...]:
    """Devices without memory, and those of a GPU."""
    gpu = sorted(str(path) for path in Path("/dev").glob("nvidia*"))
    return tuple(path for path in (*_DEVICES, *gpu) if Path(path).exists())
