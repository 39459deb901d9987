"""The files of all processes as one log, in order of time."""

import json
from pathlib import Path
from typing import Any

from cluster.logs.reader import HELD_S, LogFilter, LogFollower, LogLine, read_lines
from cluster.logs.rendering import render
from cluster.runtime.line_log import BufferedLineWriter

ANY = LogFilter()


def _write(path: Path, *lines: dict[str, Any]) -> None:
    with path.open("ab") as file:
        for line in lines:
            file.write(json.dumps(line).encode() + b"\n")


def _at(ts: float, **values: Any) -> dict[str, Any]:
    return {"ts": ts, "level": "info", "logger": "mobula.x", "message": f"at {ts:g}", **values}


def _times(lines: Any) -> list[float]:
    return [line.ts for line in lines]


def test_files_are_merged_in_order_of_time(tmp_path: Path) -> None:
    _write(tmp_path / "ingress-10.jsonl", _at(1.0), _at(4.0), _at(3.0))
    _write(tmp_path / "access-10.1.jsonl", _at(0.5))
    _write(tmp_path / "access-10.jsonl", _at(2.0))
    _write(tmp_path / "haproxy-77.log", {"ts": 2.5, "event": "haproxy", "status": 503})

    lines = list(read_lines(tmp_path, ANY))
    assert _times(lines) == [0.5, 1.0, 2.0, 2.5, 3.0, 4.0]
    assert [line.process for line in lines][:4] == ["access", "ingress", "access", "haproxy"]


def test_what_is_no_line_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "model-3.jsonl").write_bytes(b'\n{"ts":1}\nnot json\n[1]\n{"a":1}\n{"ts":"x"}\n{"')

    assert _times(read_lines(tmp_path, ANY)) == [1.0]


def test_lines_are_chosen_by_request_tenant_level_and_time(tmp_path: Path) -> None:
    _write(
        tmp_path / "model-3.jsonl",
        _at(1.0, request_id="req_1", tenant="acme"),
        _at(2.0, request_id="req_1", tenant="acme", level="error"),
        _at(3.0, request_id="req_11", tenant="globex", level="warning"),
    )

    assert _times(read_lines(tmp_path, LogFilter(request="req_1"))) == [1.0, 2.0]
    assert _times(read_lines(tmp_path, LogFilter(tenant="globex"))) == [3.0]
    assert _times(read_lines(tmp_path, LogFilter(level="warning"))) == [2.0, 3.0]
    assert _times(read_lines(tmp_path, LogFilter(since=2.5))) == [3.0]


def test_new_lines_of_all_files_follow_in_order(tmp_path: Path) -> None:
    _write(tmp_path / "model-3.jsonl", _at(1.0))
    follower = LogFollower(tmp_path, ANY, lambda: 100.0)
    assert _times(follower.new_lines()) == [1.0]

    _write(tmp_path / "limiter-4.jsonl", _at(3.0))  # a process that has just started
    _write(tmp_path / "model-3.jsonl", _at(2.0), _at(4.0))
    assert _times(follower.new_lines()) == [2.0, 3.0, 4.0]
    assert follower.new_lines() == []
    follower.close()


def test_young_lines_wait_for_those_that_others_have_not_written_yet(tmp_path: Path) -> None:
    now = [10.0]
    _write(tmp_path / "model-3.jsonl", _at(10.0))
    follower = LogFollower(tmp_path, ANY, lambda: now[0])
    assert follower.new_lines() == []

    _write(tmp_path / "limiter-4.jsonl", _at(9.9))
    now[0] += HELD_S
    assert _times(follower.new_lines()) == [9.9, 10.0]
    follower.close()


def test_no_line_is_lost_or_doubled_when_a_file_is_rotated(tmp_path: Path) -> None:
    writer = BufferedLineWriter(tmp_path, "access-3", rotate_bytes=200)
    follower = LogFollower(tmp_path, ANY, lambda: 1e9)
    seen: list[float] = []
    for number in range(30):
        writer.write(json.dumps(_at(float(number))).encode())
        writer.flush()
        seen += _times(follower.new_lines())
    writer.close()

    assert seen == [float(number) for number in range(30)]
    follower.close()


def test_half_a_line_waits_for_its_end(tmp_path: Path) -> None:
    path = tmp_path / "model-3.jsonl"
    whole = json.dumps(_at(1.0)).encode()
    path.write_bytes(whole[:10])
    follower = LogFollower(tmp_path, ANY, lambda: 100.0)
    assert follower.new_lines() == []

    path.write_bytes(whole + b"\n")
    assert _times(follower.new_lines()) == [1.0]
    follower.close()


def test_a_terminal_gets_text_and_never_what_it_would_act_on() -> None:
    values = _at(1.0, path="/\x1b[2J\u202e", method="GET", status=404, ms=1.5, model="a b")
    text = render(LogLine(1.0, "access", values, b""))

    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "GET /\\x1b[2J\\u202e 404 1.5 ms" in text
    assert 'model="a b"' in text


def test_a_traceback_stands_below_its_line() -> None:
    values = _at(1.0, exception="Traceback:\n  in f\nKeyError", reason="why")
    head, *below = render(LogLine(1.0, "model", values, b"")).splitlines()

    assert head.endswith("at 1 reason=why")
    assert below == ["    Traceback:", "      in f", "    KeyError"]
