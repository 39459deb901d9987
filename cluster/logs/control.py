"""The part of a replica by which the ingress reaches its log: levels and groups of errors."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from cluster.logs.process_log import apply_levels, report_errors


class LoggedReplica:
    """A base of replicas; both methods take and return plain values, for other versions."""

    async def log_errors(self) -> list[dict[str, Any]]:
        """cluster/logs/error_groups.py: ErrorGroup, of this process."""
        return report_errors()

    async def log_levels(self, overrides: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Takes over levels, and returns all that this process knows. In a thread: they are written
        to a file as well."""
        return await asyncio.to_thread(apply_levels, overrides)
