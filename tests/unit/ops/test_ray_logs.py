"""Picking the lines that matter out of Ray's logs."""

from pathlib import Path

from cluster.ops.logs import LogTail, relevant_lines, tail


def _log(ray_dir: Path, name: str, text: str) -> Path:
    folder = ray_dir / "session_latest" / "logs" / "serve"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    with path.open("a") as file:
        file.write(text)
    return path


def test_tail_of_a_missing_file_is_empty(tmp_path: Path) -> None:
    assert tail(tmp_path / "none", 5) == ""


def test_warnings_and_errors_are_shown_with_the_place_of_the_rest(tmp_path: Path) -> None:
    _log(tmp_path, "controller_1.log", "INFO fine\nERROR it broke\nValueError: no such model\n")

    text = relevant_lines(tmp_path)

    assert text.splitlines()[:2] == ["ERROR it broke", "ValueError: no such model"]
    assert "fine" not in text
    assert "session_latest" in text


def test_a_follower_gives_each_new_notable_line_once(tmp_path: Path) -> None:
    _log(tmp_path, "a.log", "ERROR before\n")
    follower = LogTail(tmp_path)

    _log(tmp_path, "a.log", "INFO fine\nWARNING one\nWARNING hal")
    first = list(follower.new_lines())
    _log(tmp_path, "a.log", "f\n")
    _log(tmp_path, "new.log", "ERROR two\n")
    second = list(follower.new_lines())

    assert first == ["WARNING one"]
    assert sorted(second) == ["ERROR two", "WARNING half"]
