"""Args of the deployment that analyses texts: `text` in serve_config.yaml."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

SHIPPED_EMBEDDER = "minilm"  # a source of embedding models (deployments/model/embeddings/spec.py)


class TextArgs(BaseModel):
    """Analysis of texts: `/api/v1/text/...`; docs/guides/text.md.

    `embedder` is the id of an embedding model that has a deployment (None: the first whose source
    is `minilm`, for which the shipped heads are trained, else the first). Without one, operations
    that need vectors answer that they are not supported; with another one, those with heads do.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    enabled: bool = True
    replicas: Annotated[int, Field(ge=1, le=1024)] = 1
    num_cpus: Annotated[float, Field(ge=0)] = 0.05
    embedder: str | None = None
