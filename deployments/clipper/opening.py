"""The workshop of a Clipper replica, with its far sides: a crew of Ray tasks, the text model.

Flows in: what the operator said. Flows out: a Workshop that has not been started.
"""

from cluster.auth.delegation import Delegation
from cluster.auth.home import load_pepper
from cluster.clock import SystemClock
from cluster.logs import configure_logging
from cluster.settings import Settings
from deployments.clipper.config import VideoConfig
from deployments.clipper.workshop import Workshop
from deployments.remote_crew import RayCrew
from deployments.remote_nodes import check_store_to_start
from deployments.remote_writer import RemoteWriter


def workshop(config: VideoConfig, app: str) -> Workshop:
    """`app` is the Serve application. Raises OneNodeOnly, and FileNotFoundError before `up`."""
    settings, clock = Settings(), SystemClock()
    check_store_to_start(settings)
    configure_logging(settings.log_level)
    delegation = Delegation(load_pepper(settings.home, settings), clock)
    writer = RemoteWriter(delegation, app, config.writer or "")
    return Workshop(settings, config, RayCrew(config.piece_cpus), writer, clock)
