"""Args of the deployment that opens recordings and pictures: `media` in serve_config.yaml."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from deployments.media.config import SHORT_S


class MediaArgs(BaseModel):
    """Recordings and pictures of requests: `/v1/audio/...`, `/api/v1/audio`; docs/guides/audio.md.

    Files are stored where `video.store` says, speech is recognised by the model of `video.speech`,
    and children are confined as `video.sandbox` says. Recordings of up to `short_s` seconds are
    analysed while the caller waits, longer ones by jobs, of which each replica runs `jobs` at once.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    enabled: bool = True
    replicas: Annotated[int, Field(ge=1, le=1024)] = 1
    num_cpus: Annotated[float, Field(ge=0)] = 0.05
    short_s: Annotated[float, Field(ge=1, le=600)] = SHORT_S
    jobs: Annotated[int, Field(ge=1, le=64)] = 1
