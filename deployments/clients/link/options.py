"""What one end of a link offers and demands; the same for every link of a process."""

from dataclasses import dataclass

from cluster.runtime.settings import Settings

ACCEPT = "accept"  # the server tells that it has taken a call that is not answered at once
JOIN = "join"  # items that become ready together come in one message
FEATURES = frozenset({ACCEPT, JOIN})

MAX_PAYLOAD = 16 << 20
HELLO_BYTES = 4096  # limit of a payload before the handshake


@dataclass(frozen=True, slots=True)
class LinkOptions:
    """`max_payload` is the longest payload taken from the peer, in bytes; `max_calls` may be open
    at once. A stream may be `window` items ahead of its reader. A peer of which nothing came for
    `ping_s` is asked for a sign of life, and the link ends after `silence_s`. A link must be set up
    within `setup_s`. A call that waits for its answer is told of within `accept_s`. More than
    `max_unsent` bytes that the peer does not read end the link.
    """

    features: frozenset[str] = FEATURES
    max_payload: int = MAX_PAYLOAD
    max_calls: int = 65_536
    window: int = 512
    ping_s: float = 1.0
    silence_s: float = 10.0
    setup_s: float = 5.0
    accept_s: float = 0.01
    max_unsent: int = 256 << 20


def link_options(settings: Settings) -> LinkOptions:
    """Those of this process. Raises ValueError for a feature that there is not."""
    unknown = set(settings.link_features_off) - FEATURES
    if unknown:
        raise ValueError(
            f"MOBULA_LINK_FEATURES_OFF: links have no feature {', '.join(sorted(unknown))}; "
            f"there are {', '.join(sorted(FEATURES))}"
        )
    return LinkOptions(features=FEATURES - set(settings.link_features_off))
