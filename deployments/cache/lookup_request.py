"""What a flight is asked for: one answer, how to compute it, and who decides whether it will do.

It knows nothing of tiers or of other requests for the same answer.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from cluster.tenants.caller import Priority
from deployments.contracts.cache import Entry, Ttls
from deployments.contracts.generation import Chunk, Completion, GenerateRequest, TextGenerator

_URGENCY = {Priority.INTERACTIVE: 0, Priority.STANDARD: 1, Priority.BATCH: 2}
_AGELESS = Ttls(1e9, 1e9, 1e9)


class Encryptor(Protocol):
    """Makes of answers, and of pieces of them, bytes that only their tenant's secret opens."""

    def encrypt(self, key: bytes, entry: Entry) -> bytes: ...

    def decrypt(self, key: bytes, sealed: bytes) -> Entry | None: ...

    def encrypt_frames(self, key: bytes, chunks: tuple[Chunk, ...]) -> bytes: ...

    def decrypt_frames(self, key: bytes, sealed: bytes) -> tuple[Chunk, ...] | None: ...


@dataclass(frozen=True, slots=True)
class LookupRequest:
    """One request for one answer.

    `usable` says whether a kept answer will do for this request. `make` gives the form in which
    an answer that took so many seconds is kept, or None; `keep` is told once of what was made or
    found, before anybody gets the answer. `anew`: compute without looking. `only_if_cached`: look,
    and never compute. `as_of` and `tags` are as in `Entry`.
    """

    key: bytes
    request: GenerateRequest
    inner: TextGenerator
    sealer: Encryptor
    usable: Callable[[Entry], bool]
    make: Callable[[Completion, float], Entry | None]
    keep: Callable[[Entry], object] | None = None
    streaming: bool = False
    anew: bool = False
    only_if_cached: bool = False
    as_of: int = 0
    tags: tuple[str, ...] = ()

    @property
    def urgency(self) -> int:
        """0 is the most urgent."""
        return _URGENCY[self.request.priority]

    @property
    def deterministic(self) -> bool:
        """Whether computing again gives the same text."""
        sampling = self.request.sampling
        return sampling.temperature == 0 or sampling.top_k == 1 or sampling.seed is not None

    def outline(self, now: float) -> Entry:
        """What can be said at `now` (Unix seconds) of the answer that computing would give."""
        request = self.request
        return Entry(
            request.caller.tenant, request.model, self.as_of, now, 0.0, _AGELESS, b"", self.tags
        )
