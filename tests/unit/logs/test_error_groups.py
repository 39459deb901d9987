"""Errors with one cause are one group, whatever their values were."""

import logging
from types import TracebackType

from cluster.logs.error_groups import MAX_GROUPS, ErrorGroups, merge_groups
from cluster.runtime.logging import logged_request
from cluster.runtime.problems import NotFound
from cluster.tenants.plan import Plan

Failure = tuple[type[BaseException], BaseException, TracebackType | None]


def _record(message: str, at: float = 1.0, error: BaseException | None = None) -> logging.LogRecord:
    values = {"msg": message, "name": "mobula.x", "levelno": logging.ERROR, "created": at}
    record = logging.makeLogRecord(values)
    if error is not None:
        record.exc_info = (type(error), error, error.__traceback__)
    return record


def _failure(id: str) -> BaseException:
    """One that went through a function of ours."""
    try:
        Plan(id=id)
        raise NotFound(id)
    except Exception as error:
        return error


def test_equal_failures_are_counted_with_first_last_and_an_example() -> None:
    groups = ErrorGroups("model")
    logged_request.set(("req_1", "acme"))
    groups.add(_record("model %s failed", 10.0))
    logged_request.set(("req_2", "globex"))
    groups.add(_record("model %s failed", 20.0))
    logged_request.set(("", ""))
    groups.add(_record("model %s failed", 30.0))

    [group] = groups.report()
    assert (group["count"], group["first"], group["last"]) == (3, 10.0, 30.0)
    assert (group["request_id"], group["tenant"]) == ("req_2", "globex")


def test_exceptions_of_other_types_are_other_groups_and_values_are_not_in_them() -> None:
    groups = ErrorGroups("model")
    for error in (KeyError("secret-1"), KeyError("secret-2"), ValueError("secret-3")):
        groups.add(_record("it failed", error=error))

    assert [group["count"] for group in groups.report()] == [2, 1]
    assert "secret" not in str(groups.report())


def test_the_innermost_function_of_ours_is_named() -> None:
    groups = ErrorGroups("model")
    try:
        merge_groups([[{"count": 1}]])
    except TypeError as error:
        groups.add(_record("it failed", error=error))

    [group] = groups.report()
    assert group["where"] == "cluster/logs/error_groups.py:merge_groups"
    assert group["exception"] == "builtins.TypeError"


def test_the_least_recent_group_goes_when_there_are_too_many() -> None:
    groups = ErrorGroups("model")
    for number in range(MAX_GROUPS + 1):
        groups.add(_record(f"failure {number}"))

    messages = [group["message"] for group in groups.report()]
    assert len(messages) == MAX_GROUPS
    assert "failure 0" not in messages
    assert groups.dropped == 1


def test_groups_of_several_processes_are_one() -> None:
    model, ingress = ErrorGroups("model"), ErrorGroups("ingress")
    logged_request.set(("req_1", "acme"))
    model.add(_record("it failed", 10.0))
    logged_request.set(("", ""))
    ingress.add(_record("it failed", 20.0))
    ingress.add(_record("another", 5.0))

    joined, other = merge_groups([model.report(), ingress.report()])
    assert (joined.count, joined.first, joined.last) == (2, 10.0, 20.0)
    assert joined.processes == ("ingress", "model")
    assert joined.request_id == "req_1"
    assert other.message == "another"


def test_a_report_of_a_newer_version_can_be_read() -> None:
    groups = ErrorGroups("model")
    groups.add(_record("it failed"))

    [group] = merge_groups([[{**report, "severity": 3} for report in groups.report()]])
    assert group.count == 1
