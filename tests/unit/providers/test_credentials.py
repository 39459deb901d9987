"""Keys of upstreams: where they come from, and that they go nowhere else."""

from pathlib import Path

from deployments.providers.credentials import Credential

KEY = "sk-secret-0123456789"


def test_a_key_of_the_environment_is_a_bearer_token_or_a_field() -> None:
    assert Credential("authorization", {"K": KEY}, "K").line == (
        f"authorization: Bearer {KEY}\r\n".encode()
    )
    assert Credential("x-api-key", {"K": KEY}, "K").line == f"x-api-key: {KEY}\r\n".encode()


def test_an_upstream_may_take_no_key() -> None:
    credential = Credential("authorization", {})

    assert (credential.line, credential.problem) == (b"", None)


def test_a_missing_key_is_named_by_its_place() -> None:
    assert "OPENAI_API_KEY" in str(Credential("authorization", {}, "OPENAI_API_KEY").problem)


def test_a_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(f"{KEY}\n")
    credential = Credential("authorization", {}, key_file=str(file))
    assert KEY.encode() in credential.line
    assert not credential.refresh()

    file.write_text("sk-another-0123456789")

    assert credential.refresh()
    assert b"sk-another" in credential.line


def test_a_file_that_is_gone_leaves_the_last_key_and_says_so(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(KEY)
    credential = Credential("authorization", {}, key_file=str(file))

    file.unlink()

    assert not credential.refresh()
    assert KEY.encode() in credential.line
    assert "key" in str(credential.problem)
    assert str(tmp_path) not in str(credential.problem)


def test_what_is_no_key_is_refused_without_quoting_it(tmp_path: Path) -> None:
    for bad in ("two words", "line\nbreak", "é", "x" * 9000, ""):
        problem = Credential("authorization", {"K": bad}, "K").problem
        assert problem is not None
        assert not bad or bad not in problem


def test_no_key_is_in_a_repr() -> None:
    assert KEY not in repr(Credential("authorization", {"K": KEY}, "K"))
