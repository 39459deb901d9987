"""`mobula down`: stops the cluster of this home."""

from cluster.cli.output import Stages, fail, print_rich
from cluster.ops import gcs_store
from cluster.ops.shutdown import stop_cluster
from cluster.runtime.settings import Settings


def run(drain_s: float) -> int:
    stages, settings = Stages(), Settings()
    try:
        with stages.running():
            stopped = stop_cluster(settings.home, drain_s, stages)
    except RuntimeError as error:
        return fail(str(error))
    if stopped is None:
        print_rich("nothing is running")
    else:
        print_rich("ended; nothing is left running")
    if not gcs_store.forget(settings):
        print_rich("Redis does not answer: Ray's state of this cluster was not deleted there")
    return 0
