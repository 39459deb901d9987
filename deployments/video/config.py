"""The configuration of video, for Clipper replicas and the ingress, beside their settings."""

from dataclasses import dataclass

from cluster.runtime.pickle_compat import version_tolerant


@version_tolerant
@dataclass(frozen=True, slots=True)
class VideoConfig:
    """A replica runs up to `jobs` jobs at once, each with up to `side_by_side` tasks; Ray reserves
    `piece_cpus` for each task. `speech` names a model (deployments/speech/models.py; None: no
    speech recognition), `writer` the text model for metadata and re-ranking (None: no text model).
    `gpu`: encode and recognise speech on an NVIDIA GPU if one works. `store` is a folder in the
    home, or an object store's URL. A file in a form has at most `max_form_bytes`.
    """

    enabled: bool = True
    jobs: int = 1
    side_by_side: int = 2
    piece_cpus: float = 0.0
    speech: str | None = None
    writer: str | None = None
    gpu: bool = True
    store: str = "blobs"
    max_form_bytes: int = 512 << 20
