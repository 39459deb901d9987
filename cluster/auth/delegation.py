"""Short-lived credentials with which our own workers act for whoever asked for a job.

Flows in: a tenant and the id of the key or user that asked. Flows out: a credential that opens the
same gate as any other, for a minute and for generating text only, while that key or user is valid.
It is signed under the server's pepper (HMAC-SHA256) and stored nowhere.
"""

import binascii
import hmac
from dataclasses import dataclass

import msgspec

from cluster.runtime.base64url import decode, encode
from cluster.runtime.clock import Clock
from cluster.runtime.problems import Unauthenticated

PREFIX = "mobd_"
LIFE_S = 60.0
MAX_LENGTH = 512
INVALID = "The credential is not valid."


@dataclass(frozen=True, slots=True)
class DelegatedIdentity:
    """Whom the credential stands for; `expires` is Unix seconds."""

    tenant: str
    holder: str
    expires: float


class Delegation:
    """Mints and opens such credentials."""

    def __init__(self, pepper: bytes, clock: Clock) -> None:
        self._key = hmac.digest(pepper, b"mobula/delegation", "sha256")
        self._clock = clock

    def issue(self, tenant: str, holder: str) -> str:
        """`holder` is a key's or user's id."""
        said = msgspec.json.encode(DelegatedIdentity(tenant, holder, self._clock.wall() + LIFE_S))
        return f"{PREFIX}{encode(said)}.{encode(self._mac(said))}"

    def verify(self, credential: str) -> DelegatedIdentity:
        """Raises Unauthenticated, in the same words whatever is wrong."""
        try:
            if len(credential) > MAX_LENGTH or not credential.startswith(PREFIX):
                raise ValueError
            said, mac = (decode(part) for part in credential[len(PREFIX) :].split("."))
            if not hmac.compare_digest(mac, self._mac(said)):
                raise ValueError
            delegate = msgspec.json.decode(said, type=DelegatedIdentity)
            if delegate.expires <= self._clock.wall():
                raise ValueError
        except (ValueError, binascii.Error, msgspec.DecodeError):
            raise Unauthenticated(INVALID) from None
        return delegate

    def _mac(self, said: bytes) -> bytes:
        return hmac.digest(self._key, said, "sha256")
