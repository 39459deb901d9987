"""What this process has logged. In: its log, as far as it is configured. Out: readings."""

from collections.abc import Iterator

from cluster.logs.process_log import current_log
from cluster.metrics.catalogue import logs
from cluster.metrics.series import Reading
from cluster.runtime.line_log import lost_lines

ACCESS = "access"  # as the names of access logs begin


def log_readings() -> Iterator[Reading]:
    """Since the start of the process."""
    access, lost = lost_lines[ACCESS], lost_lines.total()
    yield logs.LINES_LOST, [((ACCESS,), access), (("application",), lost - access)]
    log = current_log()
    if log is None:
        return
    groups = log.errors.report()
    yield logs.LINES_SUPPRESSED, [((), log.suppressed)]
    yield logs.ERRORS, [((), log.errors.dropped + sum(group["count"] for group in groups))]
    yield logs.ERROR_GROUPS, [((), len(groups))]
    if log.exporter is not None:
        yield from log.exporter.read_metrics()
