"""Maps the end of a child to a problem: by exit status, signal, usage and last words."""

import logging
import signal

from cluster.runtime.problems import Problem
from deployments.sandbox.confine import FAILED, NOT_CONFINED
from deployments.sandbox.errors import (
    MediaDamaged,
    MediaTooLarge,
    SandboxFailed,
    SandboxUnavailable,
    ScratchFull,
)
from deployments.sandbox.limits import ChildLimits, CompletedChild, SandboxedCommand

logger = logging.getLogger("mobula.clipper")
# The end of a cluster signals every process of it, which is no fault of the recording.
_EXTERNAL_SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
_FFMPEG_TERMINATED = 255  # it catches such signals, and exits with this status
_NO_SPACE = "No space left on device"
_NO_MEMORY = ("Cannot allocate memory", "MemoryError", "bad_alloc", "Unable to allocate")


def problem_from_exit(finished: CompletedChild, command: SandboxedCommand) -> CompletedChild:
    """`finished`, if it succeeded or may fail; otherwise raises the problem."""
    if finished.status == 0:
        return finished
    problem = _exceeded_limit(finished, command.limits) or _problem_from_status(finished)
    if problem is None and command.allow_failure:
        return finished
    problem = problem or MediaDamaged(exit_status=finished.status)
    raise log_exit(problem, command, finished)


def log_exit(problem: Problem, command: SandboxedCommand, finished: CompletedChild) -> Problem:
    """The problem with the child's last words as a note; a fault of ours is logged, too."""
    last_words = f"{command.argv[0]}: status {finished.status}\n{finished.err}"
    problem.add_note(last_words)
    if isinstance(problem, SandboxFailed | SandboxUnavailable):
        level = logging.DEBUG if command.is_probe else logging.ERROR
        logger.log(level, "a media child failed: %s", last_words)
    return problem


def _exceeded_limit(finished: CompletedChild, limits: ChildLimits) -> Problem | None:
    if finished.status == -signal.SIGXCPU or finished.cpu_s >= limits.cpu_s:
        return MediaTooLarge("cpu_s", limits.cpu_s)
    if finished.status == -signal.SIGXFSZ:
        return MediaTooLarge("output_bytes", limits.output_bytes)
    if limits.memory_bytes and any(word in finished.err for word in _NO_MEMORY):
        return MediaTooLarge("memory_bytes", limits.memory_bytes)
    return ScratchFull() if _NO_SPACE in finished.err else None


def _problem_from_status(finished: CompletedChild) -> Problem | None:
    if finished.status == NOT_CONFINED and finished.err.startswith("launcher: "):
        return SandboxUnavailable(finished.err.removeprefix("launcher: ").strip())
    if finished.status in (FAILED, _FFMPEG_TERMINATED) or -finished.status in _EXTERNAL_SIGNALS:
        return SandboxFailed()
    if finished.status < 0:
        return MediaDamaged("The recording crashed the decoder.", signal=-finished.status)
    return None
