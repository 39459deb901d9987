"""The workshop of a Clipper replica, with its far sides: a crew of Ray tasks, the text model.

Flows in: what the operator said. Flows out: a Workshop that has not been started.
"""

from cluster.auth.delegation import Delegation
from cluster.auth.home import load_pepper
from cluster.clock import SystemClock
from cluster.logs import configure_logging
from cluster.settings import Settings
from deployments.clipper.config import VideoConfig
from deployments.clipper.workshop import ClipWorker
from deployments.remote_crew import RayTaskExecutor
from deployments.remote_nodes import check_store_to_start
from deployments.remote_writer import DelegatedTextClient


def build_worker(config: VideoConfig, app: str) -> ClipWorker:
    """`app` is the Serve application. Raises OneNodeOnly, and FileNotFoundError before `up`."""
    settings, clock = Settings(), SystemClock()
    check_store_to_start(settings)
    configure_logging(settings.log_level)
    delegation = Delegation(load_pepper(settings.home, settings), clock)
    writer = DelegatedTextClient(delegation, app, config.writer or "")
    return ClipWorker(settings, config, RayTaskExecutor(config.piece_cpus), writer, clock)
