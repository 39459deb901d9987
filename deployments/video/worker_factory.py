"""The workshop of a Clipper replica, with its far sides: a crew of Ray tasks, the text model.

Flows in: what the operator said. Flows out: a Workshop that has not been started.
"""

from cluster.auth.delegation import Delegation
from cluster.runtime.clock import SystemClock
from cluster.runtime.logging import configure_logging
from cluster.runtime.settings import Settings
from cluster.secrets.key_files import load_pepper
from deployments.clients.serve.node_check import check_store_to_start
from deployments.clients.serve.task_executor import RayTaskExecutor
from deployments.clients.serve.text_client import DelegatedTextClient
from deployments.video.config import VideoConfig
from deployments.video.errors import SandboxFailed
from deployments.video.worker import ClipWorker


def build_worker(config: VideoConfig, app: str) -> ClipWorker:
    """`app` is the Serve application. Raises OneNodeOnly, and FileNotFoundError before `up`."""
    settings, clock = Settings(), SystemClock()
    check_store_to_start(settings)
    configure_logging(settings.log_level)
    delegation = Delegation(load_pepper(settings.home, settings), clock)
    writer = DelegatedTextClient(delegation, app, config.writer or "")
    return ClipWorker(
        settings, config, RayTaskExecutor(SandboxFailed, config.piece_cpus), writer, clock
    )
