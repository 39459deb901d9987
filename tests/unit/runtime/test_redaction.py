"""No credential that the product mints stays in text that is kept."""

import re
from collections.abc import Callable
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cluster.auth import keys
from cluster.auth.delegation import Delegation
from cluster.auth.sessions import SHAPE as REFRESH_SHAPE
from cluster.blobs.links import DownloadLinks
from cluster.events.signing import WebhookSecrets
from cluster.ops.startup import token as ray_token
from cluster.runtime.clock import SystemClock
from cluster.runtime.logging import MIN_LENGTH, REDACTED, contains_credential, redact

PEPPER = b"p" * 32
CLOCK = SystemClock()


def _access_token() -> str:
    return jwt.encode({"sub": "user", "tenant": "acme"}, Ed25519PrivateKey.generate(), "EdDSA")


def _refresh_token() -> str:
    text = f"mrt_{keys.random_text(20)}_{keys.random_text(43)}"
    assert REFRESH_SHAPE.fullmatch(text)
    return text


MINTED: dict[str, Callable[[], str]] = {
    "API key": keys.mint,
    "refresh token": _refresh_token,
    "webhook secret": lambda: WebhookSecrets(PEPPER).new("wh_1")[0],
    "access token": _access_token,
    "delegation": lambda: Delegation(PEPPER, CLOCK).issue("acme", "key"),
    "file link": lambda: DownloadLinks(PEPPER, CLOCK).sign("acme", "a/b.mp4", 60.0, "b.mp4"),
}
SURROUNDINGS = ("{}", "/api/v1/jobs/{}", "x{}", "a-b_{}", "token={}&x=1", "Bearer {}", '"{}"')


@pytest.mark.parametrize("surrounding", SURROUNDINGS)
@pytest.mark.parametrize("kind", MINTED)
def test_every_credential_that_is_minted_is_redacted_wherever_it_stands(
    kind: str, surrounding: str
) -> None:
    credential = MINTED[kind]()
    text = surrounding.format(credential)

    kept = redact(text)

    assert REDACTED in kept
    assert max(re.split(r"[._]", credential), key=len) not in kept
    assert contains_credential(text)


def test_the_token_of_the_ray_cluster_is_redacted(tmp_path: Path) -> None:
    token = ray_token(tmp_path)

    assert redact(f"/api/v1/jobs/{token}") == f"/api/v1/jobs/{REDACTED}"
    assert not contains_credential(token)  # a digest of a file reads the same


def test_what_is_no_credential_stays() -> None:
    for text in (
        "/v1/chat/completions",
        "/api/v1/videos/vid_0123456789abcdef01234567",
        "req_0123456789abcdef0123456789abcdef",
        "mob_abc",
        "eyJustAWord",
        "a" * 65,
    ):
        assert redact(text) == text


def test_no_shape_matches_a_text_that_is_too_short_to_be_looked_at() -> None:
    assert contains_credential("eyJ" + "a" * 8 + ".b.")
    assert len("eyJ" + "a" * 8 + ".b.") >= MIN_LENGTH
    for other in ("whsec_" + "a" * 16, "mobd_" + "a" * 16, "mob_aaaa_" + "a" * 24):
        assert contains_credential(other)
        assert len(other) >= MIN_LENGTH
