"""How many CPUs Ray has to count on one machine so that a roll finds room for its replacements.

`num_cpus` is what replicas are placed by, not what they may use. On a machine that its own replicas
fill, a roll would wait for ever for the room of the replacement that it starts first.
"""

import math

from graphs.args import AppArgs, EmbeddingArgs, ModelArgs
from graphs.options import SURGE_PERCENT


def declared_cpus(args: AppArgs, cores: int) -> int:
    """The cores, or more where they hold every replica but not the replacements of a roll.

    Where the replicas alone are too many it is the cores, so that Ray says so.
    """
    video = args.video.replicas * args.video.num_cpus if args.video.enabled else 0.0
    single = [args.limiter.num_cpus, *[args.cache.num_cpus] * args.cache.shards]
    models: tuple[ModelArgs | EmbeddingArgs, ...] = (*args.models, *args.embeddings)
    rolled = [(cpus, 1) for cpus in single] + [(args.ingress.num_cpus, args.ingress.replicas)]
    rolled += [(model.num_cpus, model.replicas) for model in models if model.surge]
    still = sum(model.num_cpus * model.replicas for model in models if not model.surge)
    held = video + still + sum(cpus * count for cpus, count in rolled)
    more = sum(cpus * math.ceil(count * SURGE_PERCENT / 100) for cpus, count in rolled)
    return cores if held > cores else max(cores, math.ceil(round(held + more, 6)))
