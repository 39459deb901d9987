"""Signatures of webhooks, as the Standard Webhooks specification (1.0.0) writes them.

Flows in: signing keys, a message's id, instant and body. Flows out: the headers `webhook-id`,
`webhook-timestamp` and `webhook-signature`, with one `v1` (HMAC-SHA256) signature for each key.
Also seals the keys for the store. A secret reads `whsec_<base64 of 32 bytes>`.
"""

import base64
import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from standardwebhooks import Webhook as Signer

from cluster.secrets.encryption import SecretBox

KEY_BYTES = 32
MAX_KEYS = 3  # the current one and those whose grace still runs
PURPOSE = "webhooks"


def signed_headers(keys: Sequence[bytes], message: str, at: float, body: bytes) -> dict[str, str]:
    """`at` is when this attempt is made, in Unix seconds: receivers refuse old ones."""
    instant = datetime.fromtimestamp(int(at), UTC)
    signatures = [Signer(key).sign(message, instant, body.decode()) for key in keys]
    return {
        "webhook-id": message,
        "webhook-timestamp": str(int(at)),
        "webhook-signature": " ".join(signatures),
    }


@dataclass(frozen=True, slots=True)
class _Key:
    key: bytes
    until: float | None  # Unix seconds; None: the current one


class WebhookSecrets:
    """Makes, rotates and opens the signing keys of webhooks; the store only sees sealed ones."""

    def __init__(self, pepper: bytes) -> None:
        self._sealer = SecretBox(pepper, PURPOSE)

    def new(self, webhook: str) -> tuple[str, bytes]:
        """The secret to show once, and what to store."""
        key = secrets.token_bytes(KEY_BYTES)
        return _shown(key), self._seal(webhook, [_Key(key, None)])

    def rotated(self, webhook: str, sealed: bytes, now: float, grace_s: float) -> tuple[str, bytes]:
        """As `new`; the key so far goes on signing beside it for `grace_s` seconds."""
        key, ends = secrets.token_bytes(KEY_BYTES), now + grace_s
        held = [
            _Key(old.key, ends if old.until is None else min(old.until, ends))
            for old in self._open(webhook, sealed)
        ]
        live = [old for old in held if old.until is not None and old.until > now]
        return _shown(key), self._seal(webhook, [_Key(key, None), *live][:MAX_KEYS])

    def keys(self, webhook: str, sealed: bytes, now: float) -> list[bytes]:
        """Keys to sign with now, the newest first. Raises SealBroken."""
        held = self._open(webhook, sealed)
        return [key.key for key in held if key.until is None or key.until > now]

    def _seal(self, webhook: str, keys: list[_Key]) -> bytes:
        plain = [{"key": base64.b64encode(key.key).decode(), "until": key.until} for key in keys]
        return self._sealer.encrypt(json.dumps(plain).encode(), webhook.encode())

    def _open(self, webhook: str, sealed: bytes) -> list[_Key]:
        plain = json.loads(self._sealer.decrypt(sealed, webhook.encode()))
        return [_Key(base64.b64decode(entry["key"]), entry["until"]) for entry in plain]


def _shown(key: bytes) -> str:
    return f"whsec_{base64.b64encode(key).decode()}"
