"""Sealed secrets open only for whom they were sealed."""

import pytest

from cluster.secrets.encryption import DecryptionFailed, SecretBox


def test_what_is_sealed_opens_again_and_never_looks_the_same() -> None:
    sealer = SecretBox(b"pepper", "webhooks")
    one, two = sealer.encrypt(b"secret", b"wh_1"), sealer.encrypt(b"secret", b"wh_1")

    assert one != two
    assert b"secret" not in one
    assert sealer.decrypt(one, b"wh_1") == sealer.decrypt(two, b"wh_1") == b"secret"


@pytest.mark.parametrize(
    ("pepper", "purpose", "context"),
    [(b"other", "webhooks", b"wh_1"), (b"pepper", "tokens", b"wh_1"), (b"pepper", "webhooks", b"")],
)
def test_another_pepper_purpose_or_context_does_not_open_it(
    pepper: bytes, purpose: str, context: bytes
) -> None:
    sealed = SecretBox(b"pepper", "webhooks").encrypt(b"secret", b"wh_1")
    with pytest.raises(DecryptionFailed):
        SecretBox(pepper, purpose).decrypt(sealed, context)


def test_any_flipped_bit_and_any_cut_is_noticed() -> None:
    sealer = SecretBox(b"pepper", "webhooks")
    sealed = sealer.encrypt(b"secret")
    broken = [sealed[:cut] for cut in range(len(sealed))]
    for place in range(len(sealed)):
        flipped = bytearray(sealed)
        flipped[place] ^= 1
        broken.append(bytes(flipped))

    for text in broken:
        with pytest.raises(DecryptionFailed):
            sealer.decrypt(text)
