"""Access tokens: the genuine is believed, every forgery is refused in the same words."""

import base64
import json
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from cluster.auth.models import User
from cluster.auth.signing import Signer
from cluster.auth.tokens import MAX_LENGTH, issue, jwk, verify
from cluster.runtime.problems import Unauthenticated
from cluster.tenants.caller import Role

NOW = 1_700_000_000.5
PRIVATE, STRANGER = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
SIGNER = Signer("k1", PRIVATE)
ANA = User("ana", "acme", "ana@acme.example", "", Role.DEVELOPER, "active", 0, 0, 0)
KNOWN: Callable[[str], Ed25519PublicKey | None] = {"k1": PRIVATE.public_key()}.get
GOOD: dict[str, Any] = {
    "iss": "mobula",
    "aud": "mobula-api",
    "iat": NOW,
    "nbf": NOW,
    "exp": NOW + 900,
    "jti": "1",
    "sub": "ana",
    "tenant": "acme",
    "role": "developer",
}
HEADER = {"kid": "k1", "typ": "at+jwt"}


def _signed(
    claims: dict[str, Any], key: Any = PRIVATE, algorithm: str = "EdDSA", **header: Any
) -> str:
    return jwt.encode(claims, key, algorithm, {**HEADER, **header})


def _without(name: str) -> dict[str, Any]:
    return {key: value for key, value in GOOD.items() if key != name}


def _part(value: Any) -> str:
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def _raw(
    header: Any, payload: Any = GOOD, sign: bool = True, key: Ed25519PrivateKey = PRIVATE
) -> str:
    body = f"{_part(header)}.{_part(payload)}"
    return f"{body}.{_part(key.sign(body.encode())) if sign else ''}"


def test_an_issued_token_says_who_and_until_when() -> None:
    claims = verify(issue(SIGNER, ANA, NOW, 900), KNOWN, NOW + 1)

    assert (claims.user, claims.tenant, claims.role) == ("ana", "acme", Role.DEVELOPER)
    assert (claims.issued, claims.expires, claims.key) == (NOW, NOW + 900, "k1")


def test_two_tokens_of_a_moment_differ() -> None:
    assert issue(SIGNER, ANA, NOW, 900) != issue(SIGNER, ANA, NOW, 900)


def test_the_table_below_starts_from_a_good_token() -> None:
    assert verify(_signed(GOOD), KNOWN, NOW).user == "ana"
    assert verify(_raw({**HEADER, "alg": "EdDSA"}), KNOWN, NOW).user == "ana"


def test_a_token_has_one_spelling() -> None:
    token = _signed(GOOD)
    header, payload, signature = token.split(".")
    others = [f"{token}=", f"{token}==", f"{token}!", f" {token}"]
    others += [f"{header}=.{payload}.{signature}"]
    others += [token[:-1] + chr(ord(token[-1]) + 1), f"{header}.{payload}==.{signature}"]
    for other in others:
        with pytest.raises(Unauthenticated):
            verify(other, KNOWN, NOW)


PUBLIC_PEM = PRIVATE.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
FORGERIES = {
    "alg none": _raw({**HEADER, "alg": "none"}, sign=False),
    "alg None": _raw({**HEADER, "alg": "None"}, sign=False),
    "alg none, signed": _raw({**HEADER, "alg": "none"}),
    "no alg": _raw(HEADER),
    "alg of another curve": _raw({**HEADER, "alg": "Ed448"}),
    "HS256 with the kid": _signed(GOOD, b"k1" * 16, "HS256"),
    "HS256 with the raw public key": _signed(
        GOOD, PRIVATE.public_key().public_bytes_raw(), "HS256"
    ),
    "no kid": _raw({"alg": "EdDSA", "typ": "at+jwt"}),
    "unknown kid": _signed(GOOD, kid="k2"),
    "kid that is a path": _signed(GOOD, kid="../../k1"),
    "kid that is a number": _raw({**HEADER, "alg": "EdDSA", "kid": 1}),
    "kid that is a list": _raw({**HEADER, "alg": "EdDSA", "kid": ["k1"]}),
    "a stranger's signature": _signed(GOOD, STRANGER),
    "key in the header": _raw(
        {**HEADER, "alg": "EdDSA", "jwk": jwk("k1", STRANGER.public_key().public_bytes_raw())},
        key=STRANGER,
    ),
    "other type": _signed(GOOD, typ="JWT"),
    "unknown critical extension": _signed(GOOD, crit=["x"]),
    "detached payload": _raw({**HEADER, "alg": "EdDSA", "b64": False, "crit": ["b64"]}),
    "no signature": _raw({**HEADER, "alg": "EdDSA"}, sign=False),
    "wrong issuer": _signed({**GOOD, "iss": "elsewhere"}),
    "issuer that is a list": _raw({**HEADER, "alg": "EdDSA"}, {**GOOD, "iss": ["mobula"]}),
    "wrong audience": _signed({**GOOD, "aud": "another-api"}),
    "list of audiences": _signed({**GOOD, "aud": ["mobula-api", "another-api"]}),
    "expired": _signed({**GOOD, "iat": NOW - 900, "nbf": NOW - 900, "exp": NOW - 5}),
    "not yet": _signed({**GOOD, "nbf": NOW + 6}),
    "issued in the future": _signed({**GOOD, "iat": NOW + 6}),
    "lives too long": _signed({**GOOD, "exp": NOW + 3700}),
    "expires never": _raw({**HEADER, "alg": "EdDSA"}, json.dumps({**GOOD, "exp": 1e999}).encode()),
    "expires at NaN": _signed({**GOOD, "exp": float("nan")}),
    "expires as text": _signed({**GOOD, "exp": str(NOW + 900)}),
    "expires true": _signed({**GOOD, "exp": True}),
    "expires at a huge whole number": _signed({**GOOD, "exp": 10**400}),
    "user that is a number": _raw({**HEADER, "alg": "EdDSA"}, {**GOOD, "sub": 7}),
    "tenant that is a list": _signed({**GOOD, "tenant": ["acme"]}),
    "unknown role": _signed({**GOOD, "role": "root"}),
    "role that is a list": _signed({**GOOD, "role": ["owner"]}),
    "payload that is a list": _raw({**HEADER, "alg": "EdDSA"}, [1]),
    "payload that is no JSON": _raw({**HEADER, "alg": "EdDSA"}, b"{"),
    "header that is a list": _raw([1]),
    "header nested deeply": f"{_part(b'[' * 1000)}.{_part(GOOD)}.x",
    "too long": _signed({**GOOD, "more": "x" * MAX_LENGTH}),
    "empty": "",
    "dots": "..",
    "no ascii": "é.é.é",
    "surrogates": "\ud800.\ud800.\ud800",
    **{f"no {name}": _signed(_without(name)) for name in GOOD},
}


@pytest.mark.parametrize("token", FORGERIES.values(), ids=FORGERIES)
def test_a_forgery_is_refused(token: str) -> None:
    with pytest.raises(Unauthenticated) as refused:
        verify(token, KNOWN, NOW)
    assert refused.value.detail == "The credential is not valid."


def test_hs256_under_the_public_pem_is_refused() -> None:
    """Signed by hand, because no library helps with this mistake."""
    import hashlib
    import hmac

    body = f"{_part({**HEADER, 'alg': 'HS256'})}.{_part(GOOD)}"
    token = f"{body}.{_part(hmac.digest(PUBLIC_PEM, body.encode(), hashlib.sha256))}"

    with pytest.raises(Unauthenticated):
        verify(token, KNOWN, NOW)


@pytest.mark.parametrize("late", [0.0, 4.9])
def test_clocks_may_differ_by_five_seconds(late: float) -> None:
    token = _signed(GOOD)

    verify(token, KNOWN, NOW + 900 + late)
    verify(token, KNOWN, NOW - late)
    for when in (NOW + 905, NOW - 5.1):
        with pytest.raises(Unauthenticated):
            verify(token, KNOWN, when)


def test_a_change_anywhere_is_refused() -> None:
    token = _signed(GOOD)
    for index, letter in enumerate(token[:-2]):  # the last letters hold spare bits
        with pytest.raises(Unauthenticated):
            verify(token[:index] + ("B" if letter == "A" else "A") + token[index + 1 :], KNOWN, NOW)


@given(st.text(max_size=300))
def test_any_text_is_refused_without_another_error(text: str) -> None:
    with pytest.raises(Unauthenticated):
        verify(text, KNOWN, NOW)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


@given(st.sampled_from(sorted({*GOOD} - {"jti", "sub", "tenant"})), JSON)
def test_a_genuine_signature_over_a_strange_claim_is_refused_without_another_error(
    name: str, value: Any
) -> None:
    if value == GOOD[name] or (name in ("iat", "nbf", "exp") and isinstance(value, int | float)):
        return
    with pytest.raises(Unauthenticated):
        verify(_raw({**HEADER, "alg": "EdDSA"}, {**GOOD, name: value}), KNOWN, NOW)


def test_a_published_key_is_ed25519_and_public() -> None:
    raw = PRIVATE.public_key().public_bytes_raw()

    published = jwt.PyJWK.from_dict(jwk("k1", raw))

    assert published.key.public_bytes_raw() == raw
    assert "d" not in jwk("k1", raw)
