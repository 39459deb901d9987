"""Answers survive as bytes exactly; what was sealed opens for its key and tenant, or not at all."""

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from deployments.cache import codec
from deployments.cache.codec import AesGcmCodec, decode, decode_chunks, encode, encode_chunks
from deployments.contracts.cache import KEY_BYTES, Entry, Ttls
from deployments.contracts.generation import Choice, Chunk, Completion, TokenLogprob, TokenUsage

KEY = b"k" * KEY_BYTES
OTHER_KEY = b"K" * KEY_BYTES

numbers = st.integers(0, 2**40)
floats = st.floats(allow_nan=False)
texts = st.text(max_size=40)
logprobs = st.none() | st.lists(
    st.builds(
        TokenLogprob,
        texts,
        st.binary(max_size=8),
        floats,
        st.lists(st.tuples(texts, st.binary(max_size=8), floats), max_size=3).map(tuple),
    ),
    max_size=4,
).map(tuple)
reasons = st.sampled_from(("stop", "length"))
usages = st.builds(TokenUsage, numbers, numbers)
completions = st.builds(
    Completion,
    st.lists(st.builds(Choice, numbers, texts, reasons, logprobs), max_size=3).map(tuple),
    usages,
    texts,
)
chunks = st.lists(
    st.builds(
        Chunk, numbers, texts, st.none() | reasons, logprobs, st.none() | usages, numbers, numbers
    ),
    max_size=4,
).map(tuple)


def an_answer(text: str = "Mornings.") -> Completion:
    token = TokenLogprob("\ufffd", b"\xf0\x9f", -0.1, (("a", b"a", -1e-300), ("b", b"b", -2.5)))
    return Completion((Choice(0, text, "stop", (token,)),), TokenUsage(7, 3), "nano")


def an_entry(body: bytes = b"body") -> Entry:
    return Entry("acme", "nano", 41, 1.7e9, 0.25, Ttls(60.0, 120.5, 600.0), body, ("a", "b"))


@pytest.fixture
def sealer() -> AesGcmCodec:
    return AesGcmCodec(b"secret of acme")


@given(completions)
def test_a_completion_survives_exactly(completion: Completion) -> None:
    assert decode(encode(completion)) == completion


@given(chunks)
def test_chunks_survive_exactly(pieces: tuple[Chunk, ...]) -> None:
    assert decode_chunks(encode_chunks(pieces)) == pieces


@pytest.mark.parametrize("body", [b"", b"\x00", encode(an_answer())[:-1], b"\x01\xc1", b"\x01\x80"])
def test_what_is_no_completion_is_a_value_error(body: bytes) -> None:
    with pytest.raises(ValueError, match="schema|truncated|malformed|missing"):
        decode(body)


@pytest.mark.parametrize("size", [0, 1, 511, 513, 2**20, 5 * 2**20])
def test_an_entry_opens_as_it_was_sealed(sealer: AesGcmCodec, size: int) -> None:
    entry = an_entry(b"x" * size)

    assert sealer.decrypt(KEY, sealer.encrypt(KEY, entry)) == entry


def test_long_answers_are_compressed_and_short_ones_are_not(sealer: AesGcmCodec) -> None:
    text = "good morning " * 1000

    assert len(sealer.encrypt(KEY, an_entry(encode(an_answer(text))))) < len(text) / 10
    assert len(sealer.encrypt(KEY, an_entry())) < 250


def test_sealed_bytes_show_nothing_and_never_repeat(sealer: AesGcmCodec) -> None:
    sealed = sealer.encrypt(KEY, an_entry(b"a private answer"))

    assert b"private" not in sealed
    assert b"acme" not in sealed
    assert sealed != sealer.encrypt(KEY, an_entry(b"a private answer"))


def test_nothing_opens_for_another_tenant(sealer: AesGcmCodec) -> None:
    assert AesGcmCodec(b"secret of zeta").decrypt(KEY, sealer.encrypt(KEY, an_entry())) is None


def test_nothing_opens_under_another_key(sealer: AesGcmCodec) -> None:
    assert sealer.decrypt(OTHER_KEY, sealer.encrypt(KEY, an_entry())) is None


def test_a_frame_is_no_entry_and_an_entry_no_frame(sealer: AesGcmCodec) -> None:
    frame = sealer.encrypt_frames(KEY, (Chunk(0, "hello"),))

    assert sealer.decrypt_frames(KEY, frame) == (Chunk(0, "hello"),)
    assert sealer.decrypt(KEY, frame) is None
    assert sealer.decrypt_frames(KEY, sealer.encrypt(KEY, an_entry())) is None
    assert sealer.decrypt_frames(OTHER_KEY, frame) is None


@pytest.mark.parametrize("body", [b"short", b"long and compressed " * 100])
def test_no_flipped_bit_opens(sealer: AesGcmCodec, body: bytes) -> None:
    sealed = sealer.encrypt(KEY, an_entry(body))

    for at in range(len(sealed)):
        for bit in (1, 128):
            broken = sealed[:at] + bytes([sealed[at] ^ bit]) + sealed[at + 1 :]
            assert sealer.decrypt(KEY, broken) is None


def test_nothing_truncated_or_lengthened_opens(sealer: AesGcmCodec) -> None:
    sealed = sealer.encrypt(KEY, an_entry())

    assert all(sealer.decrypt(KEY, sealed[:length]) is None for length in range(len(sealed)))
    assert sealer.decrypt(KEY, sealed + b"\0") is None


@given(st.binary(max_size=200))
def test_whatever_is_found_under_a_key_opening_never_raises(found: bytes) -> None:
    sealer = AesGcmCodec(b"secret of acme")

    assert sealer.decrypt(KEY, found) is None
    assert sealer.decrypt(KEY, b"\x01" + found) is None
    assert sealer.decrypt_frames(KEY, found) is None


def test_an_older_schema_is_missing(sealer: AesGcmCodec, monkeypatch: pytest.MonkeyPatch) -> None:
    sealed = sealer.encrypt(KEY, an_entry())
    monkeypatch.setattr(codec, "_SCHEMA_BYTE", bytes([codec.SCHEMA + 1]))

    assert sealer.decrypt(KEY, sealed) is None
    assert sealer.decrypt(KEY, bytes([codec.SCHEMA + 1]) + sealed[1:]) is None


@pytest.mark.parametrize("tells_its_size", [True, False])
def test_a_bomb_is_not_unpacked(
    sealer: AesGcmCodec, monkeypatch: pytest.MonkeyPatch, tells_its_size: bool
) -> None:
    compressor = zstandard.ZstdCompressor(write_content_size=tells_its_size)
    bomb = compressor.compress(b"\0" * (codec.LIMIT_BYTES + 1))
    monkeypatch.setattr(codec, "_compress", lambda packed: b"\x01" + bomb)

    assert sealer.decrypt(KEY, sealer.encrypt(KEY, an_entry())) is None


def test_what_is_kept_today_is_read_by_the_next_release() -> None:
    """Fails when the shape of an answer changes in a way that needs a higher codec.SCHEMA."""
    kept = bytes.fromhex(
        "0183a763686f696365739184a5696e64657800a474657874a26869ad66696e6973685f726561736f"
        "6ea473746f70a86c6f6770726f6273c0a5757361676582ad70726f6d70745f746f6b656e7301b163"
        "6f6d706c6574696f6e5f746f6b656e7302a56d6f64656ca46e616e6f"
    )

    assert decode(kept) == Completion((Choice(0, "hi", "stop"),), TokenUsage(1, 2), "nano")
