"""What an audit record may hold, and what becomes of one that holds more."""

import math
from typing import Any

import pytest

from cluster.audit.fields import MAX_DETAILS, InvalidRecord, check, detail_text, truncate_fields
from cluster.audit.record import AuditRecord

KEY = "mob_abcdefghijkl_" + "x" * 32


def record(**changes: Any) -> AuditRecord:
    fields: dict[str, Any] = {
        "at": 1.5,
        "tenant": "acme",
        "actor": "key:a",
        "action": "chat",
        "resource": "model:nano",
    }
    return AuditRecord(**{**fields, **changes})


FAULTS = [
    pytest.param({"tenant": "t" * 64}, "tenant", "63", id="long tenant"),
    pytest.param({"actor": "a" * 81}, "actor", "80", id="long actor"),
    pytest.param({"resource": "a\x00b"}, "resource", "NUL", id="nul"),
    pytest.param({"action": "\ud800"}, "action", "surrogates", id="lone surrogate"),
    pytest.param({"resource": f"model:{KEY}"}, "resource", "secrets", id="an api key"),
    pytest.param({"at": math.nan}, "at", "finite", id="no instant"),
    pytest.param({"detail": {"x": math.inf}}, "detail.x", "finite", id="infinite"),
    pytest.param({"detail": {"x": 2**63}}, "detail.x", "at most", id="too large"),
    pytest.param({"detail": {"x": "y" * 501}}, "detail.x", "500", id="long value"),
    pytest.param({"detail": {"x": ["a", "list"]}}, "detail.x", "text, number", id="not a scalar"),
    pytest.param({"detail": {"token": "eyJhbGciOiJI.e30.x"}}, "detail.token", "secrets", id="jwt"),
    pytest.param({"detail": {"n" * 65: 1}}, "detail", "64", id="long name"),
    pytest.param({"detail": {str(n): n for n in range(33)}}, "detail", "32", id="many"),
]


@pytest.mark.parametrize(("changes", "field", "limit"), FAULTS)
def test_a_record_that_may_not_be_kept_names_field_and_limit(
    changes: dict[str, Any], field: str, limit: str
) -> None:
    with pytest.raises(InvalidRecord) as caught:
        check(record(**changes))
    assert caught.value.extensions["param"] == field
    assert limit in caught.value.extensions["limit"]


@pytest.mark.parametrize(("changes", "field", "limit"), FAULTS)
def test_a_record_cut_to_fit_may_be_kept_and_says_what_was_cut(
    changes: dict[str, Any], field: str, limit: str
) -> None:
    cut = truncate_fields(record(**changes))
    assert field in str(cut.detail["clipped"]).split(",")
    assert len(cut.detail) <= MAX_DETAILS
    assert check(cut) is cut


def test_a_record_in_order_is_left_alone() -> None:
    sound = record(detail={"tokens": 3, "ratio": 0.5, "stream": True, "stop": None})
    assert truncate_fields(sound) is sound


def test_detail_is_spelled_in_one_way() -> None:
    assert detail_text(record(detail={"b": 1.0, "a": "\u00e9"})) == '{"a": "\\u00e9", "b": 1.0}'
