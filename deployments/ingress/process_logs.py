"""The logs of every process of the cluster, as the operator sees and sets them.

In: what this process knows, and what the other replicas answer. Out: groups of errors, levels.
Levels live in the processes, not in the store: while any is changed, each ingress replica passes
all on to every replica each SPREAD_S, so that one that starts meanwhile has them too.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from cluster.logs.error_groups import ErrorGroup, merge_groups
from cluster.logs.levels import LevelOverride
from cluster.logs.process_log import apply_levels, report_errors
from cluster.runtime.background import PeriodicTask
from deployments.ingress.scaling import Peers

SPREAD_S = 5.0


class ProcessLogs:
    """`replicas` calls every replica of every deployment, this one among them."""

    def __init__(self, replicas: Peers) -> None:
        self._replicas = replicas
        self._spreading = PeriodicTask(self._spread, SPREAD_S, "log levels", delayed=True)

    def start(self) -> None:
        self._spreading.start()

    async def close(self) -> None:
        await self._spreading.close()

    async def errors(self) -> list[ErrorGroup]:
        """Of all processes that answer in time, the most recent first."""
        return merge_groups(await self._replicas.ask("log_errors") or [report_errors()])

    async def levels(self) -> list[LevelOverride]:
        """Those in effect; by logger."""
        return [each for each in _parse(await _apply(())) if each.level]

    async def apply(self, override: LevelOverride) -> None:
        """Here at once, and in every other process that answers in time; in the rest soon."""
        await self._pass_on(await _apply([asdict(override)]))

    async def _spread(self) -> None:
        known = await _apply(())
        if known:
            await self._pass_on(known)

    async def _pass_on(self, overrides: Sequence[Mapping[str, Any]]) -> None:
        """What others know and this process does not comes back."""
        for report in await self._replicas.ask("log_levels", list(overrides)):
            await _apply(report)


async def _apply(overrides: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """In a thread, as levels are written to a file as well."""
    if not overrides:
        return apply_levels(())
    return await asyncio.to_thread(apply_levels, overrides)


def _parse(rows: Sequence[Mapping[str, Any]]) -> list[LevelOverride]:
    return [LevelOverride(**row) for row in rows]
