"""What a process logs: every record under `mobula`, to standard error and to a file in the home.

In: records of level `log_level` and above. Out: lines of the schema in `<home>/logs/
<process>-<pid>.jsonl`, which rotates as the access log does, and on standard error, which Ray
stores; errors are grouped, and reported to Sentry where it is configured; lines that repeat are
sampled. The file appears with its first line, and is written by a thread.
"""

import asyncio
import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from cluster.logs.error_groups import ErrorGroup, ErrorGroups
from cluster.logs.json_lines import JsonLines
from cluster.logs.levels import LogLevels
from cluster.logs.otlp_logs import configured_log_exporter
from cluster.logs.repeats import RepeatSampler
from cluster.logs.retention import remove_old_files
from cluster.logs.schema import ROOT_LOGGER
from cluster.runtime.clock import Clock, SystemClock
from cluster.runtime.line_log import BufferedLineWriter
from cluster.runtime.settings import Settings

if TYPE_CHECKING:
    from cluster.logs.sentry import SentryReporter
    from cluster.tracing.otlp_sender import OtlpSender

FOLDER = "logs"  # in the home
_TELEMETRY = b'"logger":"mobula.telemetry"'  # cluster/tracing/otlp_sender.py

Report = Callable[[ErrorGroup, logging.LogRecord], None]


class ProcessLog(logging.Handler):
    """The handler of one process. `stream` is standard error (None: only the file)."""

    def __init__(
        self,
        process: str,
        folder: Path | None,
        stream: TextIO | None,
        level: str,
        clock: Clock,
        report: Report | None = None,
        close_report: Callable[[], None] | None = None,
        exporter: "OtlpSender[bytes] | None" = None,
    ) -> None:
        """`report` is told of every error, with its group; `close_report` waits a moment for what
        it has not sent. `exporter` gets the lines that the file has."""
        super().__init__()
        self.process = process
        self.stream = stream
        self.errors = ErrorGroups(process)
        self.levels = LogLevels(level, folder, clock)
        self.setFormatter(JsonLines(process))
        self._folder = folder
        self._report = report
        self._close_report = close_report
        self.exporter = exporter
        self._sampler = RepeatSampler(clock)
        self._writer: BufferedLineWriter | None = None

    @property
    def suppressed(self) -> int:
        """Lines that were left out because equal ones were written too often."""
        return self._sampler.suppressed

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line, unless equal ones were written too often."""
        try:
            if record.levelno >= logging.ERROR:
                self._count(record)
            suppressed = self._sampler.sample(record)
            if suppressed is None:
                return
            if suppressed:
                record.suppressed = suppressed
            self._write(self.format(record))
        except Exception:  # noqa: BLE001 - logging must not fail the caller
            self.handleError(record)

    def close(self) -> None:
        """Write what is left, and go back to the configured levels."""
        self.levels.close()
        if self._writer is not None:
            self._writer.close()
        if self._close_report is not None:
            self._close_report()
        if self.exporter is not None:
            self.exporter.close()
        super().close()

    def export(self, lines: Sequence[bytes]) -> None:
        """Queue lines for the collector; not those about it, of which each would make another."""
        if self.exporter is not None:
            self.exporter.export([line for line in lines if _TELEMETRY not in line])

    def flush(self) -> None:
        """Write the lines that wait for the file's thread."""
        if self._writer is not None:
            self._writer.flush()

    def _count(self, record: logging.LogRecord) -> None:
        group = self.errors.add(record)
        record.fingerprint = group.fingerprint
        if self._report is not None:
            self._report(group, record)

    def _write(self, line: str) -> None:
        if self.stream is not None:
            self.stream.write(line + "\n")
            self.stream.flush()
        if self._folder is None:
            return
        if self._writer is None:
            self._writer = BufferedLineWriter(
                self._folder, f"{self.process}-{os.getpid()}", on_lines=self.export
            )
        self._writer.write(line.encode())


def configure_logging(settings: Settings, process: str, *, to_stderr: bool = True) -> ProcessLog:
    """Begin to log in this process, once; other loggers stay as they are.

    `process` says what it does, and names its file. Every deployment's constructor calls this; a
    process without it logs no failures.
    """
    logger = logging.getLogger(ROOT_LOGGER)
    current = current_log()
    if current is not None:
        return current
    logger.propagate = False
    folder = settings.home / FOLDER
    # Serve replaces a replica's sys.stderr by a stream that passes every line to Serve's log as
    # INFO, where the level drops it.
    stream = (sys.__stderr__ or sys.stderr) if to_stderr else None
    sentry = _sentry(settings, process)
    close = None if sentry is None else sentry.close
    log = ProcessLog(
        process,
        folder,
        stream,
        settings.log_level,
        SystemClock(),
        sentry,
        close,
        configured_log_exporter(process),
    )
    logger.setLevel(settings.log_level)
    logger.addHandler(log)
    log.levels.reload()
    remove_old_files(folder, SystemClock())
    return log


@contextmanager
def logged_process(settings: Settings, process: str) -> Iterator[ProcessLog]:
    """Log to the file while the block runs, for a process that has the terminal; one that logs
    already goes on as it does."""
    current = current_log()
    if current is not None:
        yield current
        return
    log = configure_logging(settings, process, to_stderr=False)
    try:
        yield log
    finally:
        logging.getLogger(ROOT_LOGGER).removeHandler(log)
        log.close()


def _sentry(settings: Settings, process: str) -> "SentryReporter | None":
    """Its modules, with an HTTP client, are loaded only where it is configured."""
    if settings.sentry_dsn is None:
        return None
    from cluster.logs.sentry import SentryReporter, parse_dsn

    return SentryReporter(parse_dsn(settings.sentry_dsn.get_secret_value()), process)


def current_log() -> ProcessLog | None:
    """This process's log, once it is configured."""
    handlers = logging.getLogger(ROOT_LOGGER).handlers
    return next((each for each in handlers if isinstance(each, ProcessLog)), None)


def report_errors() -> list[dict[str, Any]]:
    """The groups of errors of this process, as plain values."""
    log = current_log()
    return [] if log is None else log.errors.report()


def apply_levels(overrides: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Take over levels; returns all that this process knows. Raises ValueError."""
    log = current_log()
    return [] if log is None else log.levels.apply(overrides)


class LoggedReplica:
    """A base of replicas, by which the ingress reaches their logs. Both methods take and return
    plain values, for other versions."""

    async def log_errors(self) -> list[dict[str, Any]]:
        """cluster/logs/error_groups.py: ErrorGroup, of this process."""
        return report_errors()

    async def log_levels(self, overrides: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Takes over levels, and returns all that this process knows. In a thread: they are written
        to a file as well."""
        return await asyncio.to_thread(apply_levels, overrides)
