"""Access tokens: JWTs (RFC 7519, profile RFC 9068), signed with Ed25519 (RFC 8037) only.

In: a user and a signer, or a presented token and the public keys. Out: the token, or its claims.
Every refusal has the same message. The directory checks whether the user exists.
"""

import math
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from jwt.types import Options

from cluster.auth.models import User
from cluster.auth.signing import Signer
from cluster.runtime.base64url import decode, encode
from cluster.runtime.problems import Unauthenticated
from cluster.tenants.caller import Role

INVALID = "The credential is not valid."  # for every cause
ALGORITHM, TYPE = "EdDSA", "at+jwt"
ISSUER, AUDIENCE = "mobula", "mobula-api"
LEEWAY_S = 5.0
MAX_TTL_S = 3_600.0
MAX_LENGTH = 2_048
REQUIRED = ("iss", "aud", "exp", "iat", "nbf", "jti", "sub", "tenant", "role")
_CHECKS: Options = {
    "require": list(REQUIRED),
    "strict_aud": True,
    "verify_exp": False,  # checked below with our clock
    "verify_nbf": False,
    "verify_iat": False,
}


@dataclass(frozen=True, slots=True)
class Claims:
    """The claims of a valid token; `issued` and `expires` are Unix seconds, `key` is its kid.

    `session` is the token family (`sid`); "" in tokens of older versions.
    """

    user: str
    tenant: str
    role: Role
    issued: float
    expires: float
    id: str
    key: str
    session: str = ""


def issue(signer: Signer, user: User, now: float, ttl_s: float, session: str = "") -> str:
    """A token for `user` that is valid for `ttl_s` seconds, at most until `session` ends."""
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "iat": now,
        "nbf": now,
        "exp": now + ttl_s,
        "jti": uuid.uuid4().hex,
        "sub": user.id,
        "tenant": user.tenant,
        "role": user.role.value,
        "sid": session,
    }
    return jwt.encode(claims, signer.private, ALGORITHM, {"kid": signer.id, "typ": TYPE})


def verify(token: str, public_key: Callable[[str], Ed25519PublicKey | None], now: float) -> Claims:
    """The claims of a token that is valid at `now`. Raises Unauthenticated."""
    try:
        if len(token) > MAX_LENGTH:
            raise ValueError("too long")
        for part in token.split("."):
            decode(part)  # accept canonical base64url only
        header = jwt.get_unverified_header(token)
        key = public_key(header["kid"]) if isinstance(header.get("kid"), str) else None
        if key is None or header.get("typ") != TYPE or "crit" in header:
            raise ValueError("unexpected header")
        payload = jwt.decode(token, key, [ALGORITHM], _CHECKS, audience=AUDIENCE, issuer=ISSUER)
        return _claims(payload, header["kid"], now)
    except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError) as error:
        raise Unauthenticated(INVALID) from error


def _claims(payload: Mapping[str, Any], kid: str, now: float) -> Claims:
    """Validates claims. Raises ValueError or TypeError."""
    issued, starts, expires = (_parse_timestamp(payload[name]) for name in ("iat", "nbf", "exp"))
    if max(issued, starts) > now + LEEWAY_S or expires <= now - LEEWAY_S:
        raise ValueError("not valid now")
    if expires - issued > MAX_TTL_S + LEEWAY_S:
        raise ValueError("lifetime too long")
    texts = [payload[name] for name in ("sub", "tenant", "jti")] + [payload.get("sid", "")]
    if not all(isinstance(text, str) for text in texts):
        raise TypeError("not text")
    user, tenant, id, session = texts
    return Claims(user, tenant, Role(payload["role"]), issued, expires, id, kid, session)


def _parse_timestamp(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise TypeError("not a number")
    return float(value)


def jwk(kid: str, public: bytes) -> dict[str, str]:
    """The public key as a JSON Web Key (RFC 7517); `public` is raw."""
    return {
        "kty": "OKP",
        "crv": "Ed25519",
        "use": "sig",
        "alg": ALGORITHM,
        "kid": kid,
        "x": encode(public),
    }
