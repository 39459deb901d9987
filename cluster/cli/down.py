"""`mobula down`: end the cluster of this home."""

from cluster.cli.screen import Stages, fail, say
from cluster.ops.shutdown import bring_down
from cluster.settings import Settings


def run(drain_s: float) -> int:
    stages = Stages()
    try:
        with stages.running():
            ended = bring_down(Settings().home, drain_s, stages)
    except RuntimeError as error:
        return fail(str(error))
    if ended is None:
        say("nothing is running")
    else:
        say("ended; nothing is left running")
    return 0
