"""The catalogue of events, their patterns, and the signatures they go out with."""

from standardwebhooks import Webhook as Verifier

from cluster.events.kinds import PAYLOAD_MODELS, EventKind, is_pattern, matches_any
from cluster.events.outbox import Event
from cluster.events.sender import encode_event
from cluster.events.signing import WebhookSecrets, signed_headers
from cluster.runtime.clock import SystemClock

SECRETIVE = ("secret", "password", "token", "digest", "hash", "prompt", "text", "content")


def test_every_kind_has_a_shape_and_fits_its_column() -> None:
    assert set(PAYLOAD_MODELS) == set(EventKind)
    assert all(len(kind) <= 64 for kind in EventKind)


def test_no_shape_has_room_for_a_secret() -> None:
    fields = {name for shape in PAYLOAD_MODELS.values() for name in shape.model_fields}
    assert [name for name in fields if any(word in name for word in SECRETIVE)] == []
    assert all(shape.model_config.get("extra") == "forbid" for shape in PAYLOAD_MODELS.values())


def test_a_pattern_takes_its_kind_its_family_or_everything() -> None:
    assert matches_any(["key.created"], "key.created")
    assert matches_any(["key.*"], "key.created")
    assert matches_any(["user.*", "*"], "key.created")
    assert not matches_any(["key.revoked", "keys.*", "user.*"], "key.created")
    assert not matches_any([], "key.created")


def test_only_what_can_happen_is_a_pattern() -> None:
    assert all(is_pattern(pattern) for pattern in ("*", "key.*", "budget.threshold"))
    for pattern in ("", ".", "key", "key.", "*.*", "key.**", "KEY.*", "key.created ", "no.*"):
        assert not is_pattern(pattern), pattern


def test_each_key_signs_and_the_specification_s_library_verifies_each() -> None:
    event = Event("evt_1", "acme", "key.revoked", 1_700_000_000.5, {"id": "é", "n": 1})
    keyring, now = WebhookSecrets(b"pepper"), SystemClock().wall()
    first, sealed = keyring.new("wh_1")
    second, sealed = keyring.rotated("wh_1", sealed, now, 60.0)

    headers = signed_headers(keyring.keys("wh_1", sealed, now), event.id, now, encode_event(event))

    for secret in (first, second):
        assert Verifier(secret).verify(encode_event(event), headers)["data"] == {"id": "é", "n": 1}
    assert headers["webhook-signature"].count("v1,") == 2


def test_a_body_is_the_same_bytes_each_time() -> None:
    one = Event("evt_1", "acme", "key.revoked", 1.25, {"a": 1, "b": 2})
    two = Event("evt_1", "acme", "key.revoked", 1.25, {"b": 2, "a": 1})
    assert encode_event(one) == encode_event(two)
    assert b'"timestamp":"1970-01-01T00:00:01.250000Z"' in encode_event(one)


def test_rotating_often_keeps_few_keys_and_no_grace_is_ever_made_longer() -> None:
    keyring = WebhookSecrets(b"pepper")
    _, sealed = keyring.new("wh_1")
    for _ in range(10):
        _, sealed = keyring.rotated("wh_1", sealed, 0.0, 60.0)
    assert len(keyring.keys("wh_1", sealed, 59.0)) == 3

    _, sealed = keyring.rotated("wh_1", sealed, 30.0, 3600.0)
    assert len(keyring.keys("wh_1", sealed, 61.0)) == 2
    _, sealed = keyring.rotated("wh_1", sealed, 62.0, 0.0)
    assert len(keyring.keys("wh_1", sealed, 62.0)) == 1
