"""`mobula down`: end the cluster of this home."""

from cluster.cli.screen import Stages, fail, say
from cluster.ops import gcs_store
from cluster.ops.shutdown import bring_down
from cluster.settings import Settings


def run(drain_s: float) -> int:
    stages, settings = Stages(), Settings()
    try:
        with stages.running():
            ended = bring_down(settings.home, drain_s, stages)
    except RuntimeError as error:
        return fail(str(error))
    if ended is None:
        say("nothing is running")
    else:
        say("ended; nothing is left running")
    if not gcs_store.forget(settings):
        say("Redis does not answer: what Ray keeps there of this cluster is left there")
    return 0
