"""The limits, the command and the result of a sandboxed child: plain values."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

Cancel = Callable[[], bool]
OnLine = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class ChildLimits:
    """`memory_bytes` is address space (RLIMIT_AS; None: no limit, as GPU drivers need). Measured on
    two cores: a probe takes 220 MiB, ffmpeg 250 MiB to decode a small picture on one thread and 650
    MiB to encode 1080x1920; each further thread takes some 10 to 70 MiB. `cpu_s` is of all threads
    together. `output_bytes` is the size of one file. `files` may be open at a time. `forks`: may
    start processes of its own; they end with it."""

    memory_bytes: int | None = 2 << 30
    cpu_s: int = 600
    wall_s: float = 900.0
    output_bytes: int = 4 << 30
    files: int = 64
    forks: bool = False


@dataclass(frozen=True, slots=True)
class SandboxedCommand:
    """A command for `run`. `argv[0]` is an absolute path. `folder` is the working folder and the
    only writable one; input is there under a name of our choosing.

    `cancel` is polled ten times a second; `on_line` gets each line of stdout as it is written,
    without its end. `environment` is added to the minimal environment of a child. `readable` and
    `writable` are additional files or folders. With `allow_failure` an exit status other than 0 is
    returned instead of raised. The failure of a probe (`is_probe`) shows what this machine lacks:
    it is no error of the log.
    """

    argv: tuple[str, ...]
    folder: Path
    limits: ChildLimits = ChildLimits()
    stdin: bytes | None = None
    cancel: Cancel | None = None
    on_line: OnLine | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    readable: tuple[Path, ...] = ()
    writable: tuple[Path, ...] = ()
    allow_failure: bool = False
    is_probe: bool = False


@dataclass(frozen=True, slots=True)
class CompletedChild:
    """`status` is the exit status, or minus the signal's number. `out` is the beginning of stdout
    (1 MiB at most), `err` the end of stderr (16 KiB). `cpu_s` and `rss_bytes` (the peak; never less
    than that of the process that started it, so the kernel counts) are of the child and its own.
    """

    status: int
    out: bytes
    err: str
    wall_s: float
    cpu_s: float
    rss_bytes: int
