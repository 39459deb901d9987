"""The configuration of the deployment `Media`, beside its settings."""

from dataclasses import dataclass

from cluster.runtime.pickle_compat import version_tolerant

SHORT_S = 60.0


@version_tolerant
@dataclass(frozen=True, slots=True)
class MediaConfig:
    """`store` holds tenants' files: a folder in the home, or an object store's URL. `speech` names
    the speech model (None: no speech is recognised). A recording of at most `short_s` seconds is
    analysed while its caller waits; longer ones by jobs, of which a replica runs `jobs` at once.
    A file in a form has at most `max_form_bytes`.
    """

    enabled: bool = True
    store: str = "blobs"
    speech: str | None = None
    short_s: float = SHORT_S
    jobs: int = 1
    max_form_bytes: int = 512 << 20
