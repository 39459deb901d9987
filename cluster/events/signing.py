"""Webhook signatures by the Standard Webhooks specification (1.0.0).

In: signing keys, a message's id, time and body. Out: the headers `webhook-id`, `webhook-timestamp`
and `webhook-signature`, with one `v1` (HMAC-SHA256) signature for each key. It also encrypts the
keys for the database. A secret has the form `whsec_<base64 of 32 bytes>`.
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
MAX_KEYS = 3  # the current one and those in their grace period
PURPOSE = "webhooks"


def signed_headers(keys: Sequence[bytes], message: str, at: float, body: bytes) -> dict[str, str]:
    """The headers; `at` is the time of the attempt (Unix seconds), as receivers refuse old ones."""
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
    """Creates, rotates and decrypts signing keys; the database holds encrypted ones only."""

    def __init__(self, pepper: bytes) -> None:
        self._sealer = SecretBox(pepper, PURPOSE)

    def new(self, webhook: str) -> tuple[str, bytes]:
        """The secret, which is shown only once, and the encrypted keys to store."""
        key = secrets.token_bytes(KEY_BYTES)
        return _format_secret(key), self._encrypt(webhook, [_Key(key, None)])

    def rotated(self, webhook: str, sealed: bytes, now: float, grace_s: float) -> tuple[str, bytes]:
        """Like `new`; the previous key also signs for `grace_s` seconds."""
        key, ends = secrets.token_bytes(KEY_BYTES), now + grace_s
        previous = [
            _Key(old.key, ends if old.until is None else min(old.until, ends))
            for old in self._decrypt(webhook, sealed)
        ]
        valid = [old for old in previous if old.until is not None and old.until > now]
        return _format_secret(key), self._encrypt(webhook, [_Key(key, None), *valid][:MAX_KEYS])

    def keys(self, webhook: str, sealed: bytes, now: float) -> list[bytes]:
        """The current signing keys, newest first. Raises DecryptionFailed."""
        all_keys = self._decrypt(webhook, sealed)
        return [key.key for key in all_keys if key.until is None or key.until > now]

    def _encrypt(self, webhook: str, keys: list[_Key]) -> bytes:
        plain = [{"key": base64.b64encode(key.key).decode(), "until": key.until} for key in keys]
        return self._sealer.encrypt(json.dumps(plain).encode(), webhook.encode())

    def _decrypt(self, webhook: str, sealed: bytes) -> list[_Key]:
        plain = json.loads(self._sealer.decrypt(sealed, webhook.encode()))
        return [_Key(base64.b64decode(entry["key"]), entry["until"]) for entry in plain]


def _format_secret(key: bytes) -> str:
    return f"whsec_{base64.b64encode(key).decode()}"
