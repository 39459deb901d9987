"""`mobula down`: end the cluster of this home."""

from cluster.cli.output import Stages, fail, print_rich
from cluster.ops import gcs_store
from cluster.ops.shutdown import stop_cluster
from cluster.runtime.settings import Settings


def run(drain_s: float) -> int:
    stages, settings = Stages(), Settings()
    try:
        with stages.running():
            ended = stop_cluster(settings.home, drain_s, stages)
    except RuntimeError as error:
        return fail(str(error))
    if ended is None:
        print_rich("nothing is running")
    else:
        print_rich("ended; nothing is left running")
    if not gcs_store.forget(settings):
        print_rich("Redis does not answer: what Ray keeps there of this cluster is left there")
    return 0
