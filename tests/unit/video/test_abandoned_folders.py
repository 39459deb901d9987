"""A worker removes what killed processes left, also while it runs."""

from pathlib import Path

import pytest

from cluster.auth.bootstrap import bootstrap
from cluster.runtime.clock import SystemClock
from cluster.runtime.settings import Settings
from deployments.sandbox import private_folder
from deployments.video import worker
from deployments.video.config import VideoConfig
from deployments.video.executor import ThreadTaskExecutor
from deployments.video.worker import ClipWorker
from tests.cluster.polling import eventually
from tests.servers.stores import migrated_home


async def test_folders_that_nobody_works_in_go_and_others_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "SWEEP_S", 0.01)
    settings = Settings(home=tmp_path)
    bootstrap(migrated_home(tmp_path), settings)
    clip_worker = ClipWorker(
        settings, VideoConfig(gpu=False), ThreadTaskExecutor(1), None, SystemClock()
    )
    await clip_worker.start()
    try:
        with private_folder(clip_worker.media.scratch) as used:
            left = clip_worker.media.scratch / "work-1-left"
            left.mkdir()
            await eventually(lambda: not left.exists())
            assert used.exists()
    finally:
        await clip_worker.close()
