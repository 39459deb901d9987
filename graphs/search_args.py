"""Args of the deployments that search collections: `search` in serve_config.yaml."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class SearchArgs(BaseModel):
    """Searches of collections: `/api/v1/collections`, `/v1/vector_stores`; docs/guides/search.md.

    Collections are divided among `shards`. A shard holds those that were searched last in its
    memory, about `memory_mib` of them; others are read from the store when they are searched.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    enabled: bool = True
    shards: Annotated[int, Field(ge=1, le=64)] = 1
    num_cpus: Annotated[float, Field(ge=0)] = 0.05
    memory_mib: Annotated[int, Field(ge=16, le=1 << 20)] = 2_048
