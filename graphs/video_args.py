"""Clips of recordings, and their jobs."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from graphs.graph_args import GraphArgs


class VideoArgs(GraphArgs):
    """Clips of long recordings, made by jobs; docs/guides/video.md.

    Each of `replicas` (up to `max_replicas` while jobs wait) runs `jobs` at once, each with
    `side_by_side` tasks, for which Ray reserves `piece_cpus` each. `speech` is the model of speech
    recognition: base (Whisper base, which is installed), a folder, a downloaded faster-whisper
    model's name, or off; without one, captions need a transcript. Files are stored in `store`, a
    folder in the home or an object store's URL. `gpu`: encode and recognise speech on an NVIDIA GPU
    if one works. `texts`: the default text model writes descriptions and hashtags and may reorder
    clips; None: unless it is the shipped nano, which is worse than a template. `sandbox`:
    recordings are opened in sandboxed processes; "best-effort" opens them also if the kernel has no
    Landlock or seccomp, where a malicious file may compromise this machine.
    """

    enabled: bool = True
    replicas: Annotated[int, Field(ge=1, le=1024)] = 1
    max_replicas: Annotated[int, Field(ge=1, le=1024)] = 1
    num_cpus: Annotated[float, Field(ge=0)] = 0.1
    num_gpus: Annotated[float, Field(ge=0)] = 0.0
    jobs: Annotated[int, Field(ge=1, le=64)] = 1
    side_by_side: Annotated[int, Field(ge=1, le=256)] = 2
    piece_cpus: Annotated[float, Field(ge=0)] = 0.0
    speech: str | None = "base"
    gpu: bool = True
    texts: bool | None = None
    store: Annotated[str, Field(min_length=1, max_length=1000)] = "blobs"
    max_form_mib: Annotated[int, Field(ge=1, le=10_240)] = 512
    sandbox: Literal["required", "best-effort"] = "required"

    @model_validator(mode="after")
    def _check_replicas(self) -> Self:
        if self.max_replicas > 1 and self.max_replicas < self.replicas:
            raise ValueError(
                f"video.max_replicas: {self.max_replicas} is less than replicas, {self.replicas}"
            )
        return self
