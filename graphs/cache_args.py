"""The response cache and the semantic cache."""

from typing import Annotated, Literal

from pydantic import Field

from graphs.graph_args import GraphArgs


class SemanticArgs(GraphArgs):
    """The semantic cache, for tenants whose plan has `semantic-cache`.

    `model` is an embedding model's id (None: off); at most the share `error` of its responses may
    be wrong. A response is wrong if its text differs from the model's own, or with `alike`, if the
    cosine similarity of the two is lower than that.
    """

    model: str | None = None
    error: Annotated[float, Field(gt=0, le=0.5)] = 0.01
    alike: Annotated[float, Field(gt=0, le=1)] | None = None


class CacheArgs(GraphArgs):
    """The response cache: equal requests of a tenant need no model.

    Each ingress replica has `memory_mib` (0: none). They share `shared_mib` in `shards` cache
    deployments (embedded) or a Redis (needs MOBULA_REDIS_URL); `auto` is Redis if that is set,
    embedded for several ingress replicas, off for one. `archive` is a folder in the home or an
    object store's URL, which survives restarts and holds `archive_mib`; entries there and in Redis
    are encrypted with the tenant's secret. A response is fresh for `fresh_s` seconds,
    stale-while-revalidate until `stale_s`, stale-if-error until `error_s`.
    """

    enabled: bool = True
    memory_mib: Annotated[int, Field(ge=0, le=1_048_576)] = 128
    shared: Literal["auto", "embedded", "redis", "off"] = "auto"
    shared_mib: Annotated[int, Field(ge=1, le=1_048_576)] = 256
    shards: Annotated[int, Field(ge=1, le=64)] = 1
    num_cpus: Annotated[float, Field(ge=0)] = 0.1
    archive: str | None = None
    archive_mib: Annotated[int, Field(ge=1, le=1_073_741_824)] = 1024
    fresh_s: Annotated[float, Field(gt=0, le=2_592_000)] = 3_600.0
    stale_s: Annotated[float, Field(gt=0, le=2_592_000)] = 86_400.0
    error_s: Annotated[float, Field(gt=0, le=2_592_000)] = 259_200.0
    semantic: SemanticArgs = SemanticArgs()
