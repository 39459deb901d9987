"""What the graph tells an ingress replica of providers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cluster.runtime.pickle_compat import version_tolerant


@version_tolerant
@dataclass(frozen=True, slots=True)
class ProvidersConfig:
    """`models` and `embeddings` are dumped ProviderSpecs and ProviderEmbeddingSpecs (spec.py), none
    of which holds a key. `private_hosts` are names or addresses that may be loopback or private.
    """

    models: tuple[Mapping[str, Any], ...] = ()
    embeddings: tuple[Mapping[str, Any], ...] = ()
    private_hosts: tuple[str, ...] = ()
