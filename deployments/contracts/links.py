"""Opening of a link between an ingress replica and a model replica, as it crosses Serve.

In: the replica that a link is wanted to. Out: where it listens, and the secret of that link.
"""

from dataclasses import dataclass, field

from cluster.runtime.pickle_compat import version_tolerant


@version_tolerant
@dataclass(frozen=True, slots=True)
class OpenLinkRequest:
    """Asks `replica`, and no other one, for a link."""

    replica: str
    exact: bool = True


@version_tolerant
@dataclass(frozen=True, slots=True)
class LinkOffer:
    """One link: whoever connects to `host` and `port` first, and soon, with the secret, has it.

    `version` is that of the frames. `tls`: the listener speaks TLS with Ray's certificates.
    """

    link: str
    secret: bytes = field(repr=False)
    host: str
    port: int
    version: int
    tls: bool = False
