"""Capabilities of this installation, probed by use: for /capabilities.

Each probe starts a process and takes a fraction of a second; callers cache the result.
"""

import tempfile
from pathlib import Path

from cluster.runtime.problems import Problem
from deployments.contracts.media import Capability
from deployments.sandbox import ChildLimits, CompletedChild, SandboxedCommand, run
from deployments.sandbox.binary import ffmpeg_binary, python_binary

NVENC_LIMITS = ChildLimits(memory_bytes=None, cpu_s=20, wall_s=30.0, files=1024)
_LIMITS = ChildLimits(memory_bytes=1 << 30, cpu_s=5, wall_s=20.0)
_RESTRICTIONS = ("files", "network", "processes", "attributes", "ipc", "other_processes")
# Each line is one thing that a confined child must not be able to do.
_ESCAPE_ATTEMPTS = """
import ctypes, os, socket
libc = ctypes.CDLL(None, use_errno=True)
def attempt(name, function):
    try:
        function()
        print(name, "open", sep="=")
    except OSError:
        print(name, "closed", sep="=")
def shared_memory():
    if libc.shmget(0, 4096, 0o1600) < 0:
        raise OSError(ctypes.get_errno(), "shmget")
attempt("files", lambda: os.listdir("/"))
attempt("network", lambda: socket.socket().close())
attempt("processes", lambda: os.fork() or os._exit(0))
attempt("attributes", lambda: os.utime(__import__("sys").executable))
attempt("ipc", shared_memory)
attempt("other_processes", lambda: open("/proc/1/cmdline").close())
"""


def ffmpeg_version() -> Capability:
    """Whether the render engine starts. Facts: `version`."""
    try:
        lines = _run([ffmpeg_binary(), "-version"], _LIMITS).out.decode(errors="replace")
    except (Problem, RuntimeError, OSError) as problem:
        return Capability(False, f"ffmpeg does not start: {problem}")
    version = lines.removeprefix("ffmpeg version ").split(" ", 1)[0]
    return Capability(True, f"ffmpeg {version}", {"version": version})


def probe_nvenc() -> Capability:
    """Whether a GPU encodes H.264, by encoding five pictures of 256x256 in the sandbox."""
    source = ["-f", "lavfi", "-i", "testsrc2=size=256x256:rate=25:duration=0.2"]
    encode = ["-c:v", "h264_nvenc", "-pix_fmt", "yuv420p", "-f", "null", "-"]
    try:
        _run([ffmpeg_binary(), "-v", "error", "-nostdin", *source, *encode], NVENC_LIMITS)
    except (Problem, RuntimeError, OSError) as problem:
        notes = " ".join(getattr(problem, "__notes__", ())).splitlines()[1:]
        reason = notes[0].split("] ")[-1].strip() if notes else "no GPU encoder"
        return Capability(False, f"h264_nvenc does not encode here: {reason[:200]}")
    return Capability(True, "h264_nvenc encodes here", {"encoder": "h264_nvenc"})


def probe_sandbox() -> Capability:
    """Which restrictions of children this kernel enforces. Facts, each "closed" or "open": `files`
    outside the folder, `network`, child `processes`, `attributes` of files (mode, owner, times),
    `ipc` and `other_processes`. Time, memory and output are limited on every kernel."""
    try:
        finished = _run([python_binary(), "-I", "-c", _ESCAPE_ATTEMPTS], _LIMITS)
    except (Problem, OSError) as problem:
        return Capability(
            False, f"no child can be started: {problem}", dict.fromkeys(_RESTRICTIONS, "open")
        )
    lines = finished.out.decode(errors="replace").split()
    facts = dict(line.split("=", 1) for line in lines if "=" in line)
    open_restrictions = [name for name, state in facts.items() if state == "open"]
    if open_restrictions:
        return Capability(
            False, f"this kernel does not close off: {', '.join(open_restrictions)}", facts
        )
    return Capability(
        True, "children reach only their folder: no network, no processes, no IPC", facts
    )


def _run(argv: list[str], limits: ChildLimits) -> CompletedChild:
    with tempfile.TemporaryDirectory() as folder:
        command = SandboxedCommand(tuple(argv), Path(folder), limits, is_probe=True)
        return run(command)
