"""Short-lived credentials with which workers act on behalf of a job's owner.

In: a tenant and the id of the owner's key or user. Out: a credential that is valid for a minute,
for text generation only, while that key or user is valid. It is signed with the server's pepper
(HMAC-SHA256) and not stored.
"""

import binascii
import hmac
from dataclasses import dataclass

import msgspec

from cluster.runtime.base64url import decode, encode
from cluster.runtime.clock import Clock
from cluster.runtime.problems import Unauthenticated

PREFIX = "mobd_"
TTL_S = 60.0
MAX_LENGTH = 512
INVALID = "The credential is not valid."


@dataclass(frozen=True, slots=True)
class DelegatedIdentity:
    """The identity in a delegated credential; `expires` is Unix seconds."""

    tenant: str
    holder: str
    expires: float


class Delegation:
    """Issues and verifies delegated credentials."""

    def __init__(self, pepper: bytes, clock: Clock) -> None:
        self._key = hmac.digest(pepper, b"mobula/delegation", "sha256")
        self._clock = clock

    def issue(self, tenant: str, holder: str) -> str:
        """A credential for `holder`, the id of a key or user."""
        payload = msgspec.json.encode(DelegatedIdentity(tenant, holder, self._clock.wall() + TTL_S))
        return f"{PREFIX}{encode(payload)}.{encode(self._mac(payload))}"

    def verify(self, credential: str) -> DelegatedIdentity:
        """Raises Unauthenticated, with the same message for every cause."""
        try:
            if len(credential) > MAX_LENGTH or not credential.startswith(PREFIX):
                raise ValueError
            payload, mac = (decode(part) for part in credential[len(PREFIX) :].split("."))
            if not hmac.compare_digest(mac, self._mac(payload)):
                raise ValueError
            delegate = msgspec.json.decode(payload, type=DelegatedIdentity)
            if delegate.expires <= self._clock.wall():
                raise ValueError
        except (ValueError, binascii.Error, msgspec.DecodeError):
            raise Unauthenticated(INVALID) from None
        return delegate

    def _mac(self, payload: bytes) -> bytes:
        return hmac.digest(self._key, payload, "sha256")
