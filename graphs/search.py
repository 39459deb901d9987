"""The stage that searches collections: one deployment for each shard."""

from ray import serve
from ray.serve import Application

from deployments.search.config import SearchConfig
from deployments.search.deployment import SearchReplica
from graphs.options import search_options
from graphs.search_args import SearchArgs

_MIB = 1 << 20


def search_config(args: SearchArgs) -> SearchConfig:
    return SearchConfig(args.enabled, args.memory_mib * _MIB)


def search_shards(args: SearchArgs) -> list[Application]:
    """One deployment per shard; none if it is off."""
    if not args.enabled:
        return []
    config = search_config(args)
    return [
        serve.deployment(SearchReplica, **search_options(args, number)).bind(config)
        for number in range(args.shards)
    ]
