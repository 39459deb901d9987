"""What an upstream's error answer means: for the caller, for retries, and for the upstream.

In: a status, header fields, and the code, type, message and field that a codec has read from the
body. Out: a Problem. A caller's fault stays one, quoted without keys, accounts and addresses; the
operator's faults and the upstream's are named, but not quoted.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime

from cluster.resilience.failure_class import UpstreamBusy, UpstreamFailed, UpstreamRefused
from cluster.runtime.problems import (
    ContentRefused,
    InvalidRequest,
    Problem,
    PromptTooLong,
    UnsupportedParameter,
)

DEFAULT_RETRY_AFTER_S = 1.0
QUOTA_RETRY_AFTER_S = 60.0  # for a quota that is used up, where nothing else is said
MAX_RETRY_AFTER_S = 3_600.0
_QUOTED_CHARS = 300

_FIELD = re.compile(r"[A-Za-z_][\w.\[\]-]{0,99}", re.ASCII)
_TOO_LONG = re.compile(
    r"context.?(length|window|size)|maximum.{0,20}tokens|too many (input )?tokens|"
    r"prompt is too long|input is too long|exceeds? the (maximum|available) ",
    re.IGNORECASE,
)
_POLICY_CODES = frozenset(
    {"content_policy_violation", "content_filter", "ResponsibleAIPolicyViolation"}
)
_ACCESS_CODES = frozenset(
    {
        "invalid_api_key",
        "model_not_found",
        "DeploymentNotFound",
        "authentication_error",
        "permission_error",
        "not_found_error",
    }
)
_QUOTA_CODES = frozenset({"insufficient_quota", "billing_error", "quota_exceeded"})
_SECRET = re.compile(
    r"https?://\S+|\b(?:sk|pk|rk|key|org|proj|acct|asst|req|api)[-_][\w*.-]{4,}|\bBearer\s+\S+|"
    r"\b[\w*-]{28,}\b",
    re.IGNORECASE,
)


class UpstreamUnreachable(UpstreamFailed):
    """502: no connection to an upstream could be made."""

    slug, title = "upstream-unreachable", "The provider cannot be reached"


@dataclass(frozen=True, slots=True)
class UpstreamError:
    """What an error body says; empty where it does not. `code` is the most specific word."""

    code: str = ""
    kind: str = ""
    message: str = ""
    param: str = ""

    @property
    def words(self) -> frozenset[str]:
        return frozenset((self.code, self.kind))


def error_problem(
    model: str, status: int, headers: Mapping[str, str], error: UpstreamError
) -> Problem:
    """`model` is Mobula's id. `headers` have lower-case names."""
    if status in (400, 413, 422):
        return _refused_request(model, status, error)
    if status in (429, 503, 529):
        return busy(model, status, headers, error)
    if 300 <= status < 400:
        return UpstreamRefused(
            model, f"The provider of '{model}' redirects, and redirects are not followed."
        )
    if status in (408, 504, 522, 524):
        return UpstreamFailed(model, f"The provider of '{model}' did not answer in time.")
    if 400 <= status < 500 and status not in (409, 425):
        return UpstreamRefused(model, _refusal(model, status))
    return UpstreamFailed(model, f"The provider of '{model}' failed with status {status}.")


def reported_problem(model: str, error: UpstreamError) -> Problem:
    """For an error in a body or a stream of status 200: by its words, as the status is no help."""
    words = error.words
    if words & _ACCESS_CODES:
        return UpstreamRefused(model, _refusal(model, 403))
    if words & _QUOTA_CODES or any("rate_limit" in word or "overload" in word for word in words):
        return busy(model, 429, {}, error)
    if words & _POLICY_CODES or error.kind.startswith(("invalid_request", "BadRequest")):
        return _refused_request(model, 400, error)
    for word in (error.code, error.kind):
        if word.isdecimal() and 400 <= int(word) < 600:
            return error_problem(model, int(word), {}, error)
    if _TOO_LONG.search(error.message):
        return PromptTooLong.by_provider(model)
    return UpstreamFailed(model, f"The provider of '{model}' reports a failure.")


def unreadable(model: str, what: str) -> UpstreamFailed:
    """`what` completes "The provider of 'm' ..."."""
    return UpstreamFailed(model, f"The provider of '{model}' {what}.")


def busy(model: str, status: int, headers: Mapping[str, str], error: UpstreamError) -> UpstreamBusy:
    wait_s = retry_after_s(headers)
    if wait_s is None:
        wait_s = QUOTA_RETRY_AFTER_S if error.words & _QUOTA_CODES else DEFAULT_RETRY_AFTER_S
    what = "grants no more requests now" if status == 429 else "is overloaded"
    return UpstreamBusy(f"The provider of '{model}' {what}.", wait_s, model=model)


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds until the upstream may be asked again (RFC 9110 section 10.2.3), at most an hour;
    None: it does not say. A date counts from the answer's own `Date`."""
    millis = headers.get("retry-after-ms", "")
    if millis.isdecimal() and len(millis) < 10:
        return min(int(millis) / 1000, MAX_RETRY_AFTER_S)
    value = headers.get("retry-after", "").strip()
    if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,6})?", value, re.ASCII):
        return min(float(value), MAX_RETRY_AFTER_S)
    until, now = _date(value), _date(headers.get("date", ""))
    if until is None or now is None:
        return None
    return min(max(0.0, (until - now).total_seconds()), MAX_RETRY_AFTER_S)


def _date(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return date if date.tzinfo is not None else None


def _refused_request(model: str, status: int, error: UpstreamError) -> Problem:
    words = error.words
    if words & _ACCESS_CODES:
        return UpstreamRefused(model, _refusal(model, status))
    if words & _POLICY_CODES:
        return ContentRefused(model)
    is_long = "context_length_exceeded" in words or _TOO_LONG.search(error.message)
    if status == 413 or is_long:
        return PromptTooLong.by_provider(model)
    param = error.param if _FIELD.fullmatch(error.param) else None
    if "unsupported" in error.code and param:
        return UnsupportedParameter(param, f"the provider of '{model}' refuses it.")
    said = f": {quoted(error.message)}" if error.message else "."
    return InvalidRequest(
        f"The provider of '{model}' refuses the request{said}", model=model, param=param
    )


def quoted(message: str) -> str:
    """An upstream's words for a caller: one line, without keys, accounts and addresses. It is cut
    between words only, so that no part of a key is left of one that was cut."""
    line = " ".join(message.split())
    line = "".join(char for char in line if char.isprintable())
    line = _SECRET.sub("[...]", _cut(line, 4 * _QUOTED_CHARS))
    return line if len(line) <= _QUOTED_CHARS else _cut(line, _QUOTED_CHARS - 4) + " ..."


def _cut(line: str, length: int) -> str:
    if len(line) <= length:
        return line
    return line[:length].rpartition(" ")[0]


def without_key(problem: Problem, key: str) -> None:
    """Takes the key out of all that an upstream has put into a problem."""
    if not key:
        return
    problem.detail = problem.detail.replace(key, "[...]")
    problem.args = (problem.detail,)
    problem.extensions = {
        name: value.replace(key, "[...]") if isinstance(value, str) else value
        for name, value in problem.extensions.items()
    }


def _refusal(model: str, status: int) -> str:
    return f"The provider of '{model}' refuses the configured key, model or URL ({status})."
