"""Checks of what clips need on this machine: ffmpeg, and the sandbox of its processes.

Each starts a process, so they run seldom and in a thread.
"""

import asyncio

from cluster.health.state import UP, CheckOutcome, degraded, down
from deployments.video.capabilities import ffmpeg_version, probe_sandbox

INTERVAL_S, TIMEOUT_S, DELAY_S = 300.0, 25.0, 30.0


async def check_ffmpeg() -> CheckOutcome:
    found = await asyncio.to_thread(ffmpeg_version)
    return UP if found.available else down(found.detail)


class SandboxCheck:
    """`is_required`: recordings are not opened without it."""

    def __init__(self, *, is_required: bool) -> None:
        self._is_required = is_required

    async def __call__(self) -> CheckOutcome:
        found = await asyncio.to_thread(probe_sandbox)
        if found.available:
            return UP
        return down(found.detail) if self._is_required else degraded(found.detail)
