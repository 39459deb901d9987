"""tus headers: what is read from them, and what is refused."""

import base64
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import Headers

from cluster.runtime.problems import InvalidRequest
from deployments.video.uploads import tus
from deployments.video.uploads.part_stream import Checksum


def metadata(value: str) -> tuple[str, dict[str, str]]:
    raw, said = tus.metadata_of(Headers({"Upload-Metadata": value}))
    return raw, dict(said)


def test_metadata_is_pairs_of_a_key_and_a_base64_value() -> None:
    raw = "filename w5xiZXIubXA0, is_draft,filetype dmlkZW8vbXA0"
    said = {"filename": "Über.mp4", "is_draft": "", "filetype": "video/mp4"}
    assert metadata(raw) == (raw, said)
    assert metadata("") == ("", {})


@given(st.dictionaries(st.from_regex(r"[a-z_]{1,9}", fullmatch=True), st.text(), max_size=5))
def test_metadata_comes_back_as_it_was_written(said: dict[str, str]) -> None:
    raw = ",".join(f"{k} {base64.b64encode(v.encode()).decode()}" for k, v in said.items())
    assert metadata(raw)[1] == said


@pytest.mark.parametrize("value", [",", "a,,b", "a b c", "a ===", "é eA==", " , ", "a eA==,a"])
def test_metadata_of_another_form_is_refused(value: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        metadata(value)
    assert refused.value.param == "Upload-Metadata"


@pytest.mark.parametrize("value", ["", "x", "-1", "+1", "1.0", " 1", "1e2", "²", "9" * 16])
def test_an_offset_is_a_whole_number(value: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        tus.offset_of(Headers({"Upload-Offset": value}))
    assert refused.value.param == "Upload-Offset"


def test_a_checksum_names_its_algorithm() -> None:
    found = tus.checksum_of(Headers({"Upload-Checksum": f"{Checksum.of('sha256', b'x')}"}))
    assert found == Checksum("sha256", hashlib.sha256(b"x").digest())
    assert tus.checksum_of(Headers({})) is None


@pytest.mark.parametrize("value", ["", "sha1", "sha1 ###", "crc32 AAAA", "SHA1 eA=="])
def test_a_checksum_that_cannot_be_checked_is_refused(value: str) -> None:
    if value == "sha1":  # an empty digest is one that nothing matches
        found = tus.checksum_of(Headers({"Upload-Checksum": value}))
        assert found is not None
        assert found.digest == b""
        return
    with pytest.raises(InvalidRequest):
        tus.checksum_of(Headers({"Upload-Checksum": value}))


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("talk.mp4", "talk.mp4"),
        ("/home/ana/talk.mp4", "talk.mp4"),
        ("C:\\films\\talk.mp4", "talk.mp4"),
        ("../../etc/passwd", "passwd"),
        ("a\x00\n\u202eb", "ab"),
        ("..", "video"),
        ("", "video"),
        ("x" * 500, "x" * tus.MAX_NAME),
    ],
)
def test_a_name_is_one_printable_part(given: str, shown: str) -> None:
    assert tus.name_of(given) == shown


def test_the_first_name_that_says_anything_is_taken() -> None:
    assert tus.name_of(None, "", "b", "c") == "b"
