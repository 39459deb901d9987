"""What a Clipper replica and the ingress are told about video, beside their settings."""

from dataclasses import dataclass

from cluster.runtime.pickle_compat import version_tolerant


@version_tolerant
@dataclass(frozen=True, slots=True)
class VideoConfig:
    """`jobs` run at once in a replica, each with up to `side_by_side` pieces; Ray counts
    `piece_cpus` for each. `speech` names a faster-whisper model (None: no speech is turned into
    words), `writer` the text model that writes and re-ranks (None: no text model is asked). `gpu`:
    encode on an NVIDIA GPU where that works. `store` is where files are kept: a folder in the home,
    or an object store's URL. A form's file has at most `max_form_bytes`.
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
