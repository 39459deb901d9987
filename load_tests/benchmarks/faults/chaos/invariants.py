"""What must hold after a chaos run, whatever was done to the cluster. Pure.

In: every request's ending, what was done and when, and what the cluster says of itself afterwards.
Out: figures with the bounds that they have to keep. What a fault in the connections' own path
(an ingress replica, HAProxy) tears down can be saved by no server; it is counted apart.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from load_tests.benchmarks.common.measurement import Measurement
from load_tests.benchmarks.faults.chaos.faults import InjectedFault
from load_tests.benchmarks.faults.chaos.outcomes import TYPED, RequestOutcome, RequestResult
from load_tests.benchmarks.faults.chaos.resource_samples import ResourceGrowth
from load_tests.timeline import quantile

AFTERMATH_S = 10.0  # after a fault, for the share of successes and the slowest requests
_BLINK_S = 0.1  # between a hit's moment and its signal
_TORN_S = 5.0  # until a client learns that what carried its request died
_DEADLINE = "deadline-exceeded"
_LEDGER_S = 2.0  # what an ingress replica has counted and not written down yet, at most
_GROWTH = {"rss_mib": 0.05, "fds": 0.0, "tasks": 0.0, "threads": 0.0}
_NOISE = {"rss_mib": 4.0, "fds": 3.0, "tasks": 5.0, "threads": 2.0}  # a process, beside the share


@dataclass(frozen=True)
class FinalState:
    """What the cluster says once the load is over and nothing is under way.

    `charged` is tokens in the usage ledger. `slots` are those in use by the limiter's view (None:
    it cannot say). `engines` are the counts of model replicas, of which there should be
    `replicas`. `chain` is empty when the
    audit trail verifies, else what it says. `wrong` is what had not recovered at the end.
    """

    charged: int
    slots: int | None
    replicas: int
    engines: dict[str, list[dict[str, Any]]]
    chain: str
    wrong: str


def check_invariants(
    results: Sequence[RequestResult],
    injected_faults: Sequence[InjectedFault],
    after: FinalState,
    growths: Sequence[ResourceGrowth],
    *,
    recovery_limit_s: float,
    service_s: float,
    failing: float = 0.0,
) -> list[Measurement]:
    """`recovery_limit_s` is how long the cluster may take to recover after each fault, `failing`
    the share of unary requests that may fail, `service_s` what a request takes in its slot."""
    torn = [result for result in results if is_connection_lost(result, injected_faults)]
    refused = [result for result in results if is_refused(result, injected_faults)]
    others = [
        s
        for s in results
        if not is_connection_lost(s, injected_faults) and not is_refused(s, injected_faults)
    ]
    return [
        *_of_unary([result for result in others if not result.stream], failing),
        *_of_streams([result for result in others if result.stream], injected_faults),
        Measurement("endings", "torn with what carried them (nobody could save them)", len(torn)),
        Measurement("endings", "refused while the limits' keeper was away", len(refused)),
        _untyped(others),
        *_of_kills(results, injected_faults, service_s),
        *_of_ledger(results, injected_faults, after.charged),
        *_of_leaks(after),
        *_of_healing(injected_faults, after, recovery_limit_s),
        *_of_growth(growths),
    ]


def is_connection_lost(result: RequestResult, injected_faults: Sequence[InjectedFault]) -> bool:
    """Whether it was under way through what was killed, and ended because of that."""
    if result.ending in TYPED or result.ending is RequestOutcome.SILENT:
        return False
    return any(
        result.at <= injected.at + _BLINK_S
        and injected.at - _BLINK_S <= result.end <= injected.at + _TORN_S
        for injected in injected_faults
        if injected.fault.in_path
    )


def is_refused(result: RequestResult, injected_faults: Sequence[InjectedFault]) -> bool:
    """Whether a limit refused it because its keeper had just died."""
    return result.status in (429, 503) and any(
        injected.fault.keeper and injected.at <= result.end <= injected.end + AFTERMATH_S
        for injected in injected_faults
    )


def find_cause(
    result: RequestResult, injected_faults: Sequence[InjectedFault]
) -> InjectedFault | None:
    """The last thing that was done before the request ended, and before the next was."""
    before = [injected for injected in injected_faults if injected.at <= result.end]
    return max(before, key=lambda injected: injected.at, default=None)


def _of_unary(unary: Sequence[RequestResult], failing: float) -> list[Measurement]:
    failed = sum(result.ending is not RequestOutcome.WHOLE for result in unary)
    share = 1e6 * failed / len(unary) if unary else 0.0
    wrong = sum(result.ending is RequestOutcome.WRONG for result in unary)
    return [
        Measurement("endings", "unary requests", len(unary), at_least=1),
        Measurement(
            "endings", "unary requests that failed", failed, at_most=int(failing * len(unary))
        ),
        Measurement("endings", "... of a million", share),
        Measurement("endings", "wrong answers", wrong, at_most=0),
    ]


def _of_streams(
    streams: Sequence[RequestResult], injected_faults: Sequence[InjectedFault]
) -> list[Measurement]:
    begun = [result for result in streams if result.status == 200]
    broken = [result for result in begun if result.ending is not RequestOutcome.WHOLE]
    planned = [result for result in broken if _planned(find_cause(result, injected_faults))]
    running = sum(injected.action.streams for injected in injected_faults)
    out_of_band = sum(result.ending is not RequestOutcome.IN_BAND for result in broken)
    return [
        Measurement("streams", "streams", len(streams)),
        Measurement("streams", "not opened", len(streams) - len(begun), at_most=0),
        Measurement("streams", "broken in planned events", len(planned), at_most=0),
        Measurement("streams", "broken, of those on killed replicas", len(broken), at_most=running),
        Measurement("streams", "broken without a word in-band", out_of_band, at_most=0),
    ]


def _planned(injected: InjectedFault | None) -> bool:
    return injected is None or injected.fault.planned


def _untyped(results: Sequence[RequestResult]) -> Measurement:
    untyped = sum(result.ending not in TYPED for result in results)
    return Measurement(
        "endings", "ended otherwise than by an answer or a problem", untyped, at_most=0
    )


def _of_kills(
    results: Sequence[RequestResult], injected_faults: Sequence[InjectedFault], service_s: float
) -> list[Measurement]:
    """One of several replicas died: how many were answered, and how much later."""
    disturbed = [
        effect(injected, results)
        for injected in injected_faults
        if injected.fault.name == "kill-model"
    ]
    quiet = [
        result.took
        for result in calm(injected_faults, results)
        if result.ending is RequestOutcome.WHOLE
    ]
    if not disturbed or not quiet:
        return []
    added_ms = max(each["p99_ms"] for each in disturbed) - 1e3 * quantile(quiet, 0.99)
    success = min(each["success"] for each in disturbed)
    most_ms = 1e3 * service_s
    return [
        Measurement("kill-model", "answered after it, at worst", 100 * success, "%", at_least=99.5),
        Measurement(
            "kill-model", "added to p99 after it, at worst", added_ms, "ms", at_most=most_ms
        ),
    ]


def _of_ledger(
    results: Sequence[RequestResult], injected_faults: Sequence[InjectedFault], charged: int
) -> list[Measurement]:
    """What complete responses say was used is charged, and nothing for those that failed.

    A killed ingress replica takes with it what it had not written down yet, and may have written
    down answers that it could not deliver any more. A call whose deadline passed is charged for
    what was generated until then, which its client does not learn.
    """
    computed = [result for result in results if not result.from_cache]
    complete_tokens = sum(
        result.tokens for result in computed if result.ending is RequestOutcome.WHOLE
    )
    kills = [injected.at for injected in injected_faults if injected.fault.name == "kill-ingress"]
    unwritten = sum(
        result.tokens
        for result in computed
        if any(0 <= at - result.end <= _LEDGER_S for at in kills)
    )
    open_then = [
        result for result in computed if any(result.at <= at <= result.end for at in kills)
    ]
    most = max((result.tokens for result in computed), default=0)
    late = [result for result in computed if result.why == _DEADLINE]
    least, largest = (
        complete_tokens - unwritten,
        complete_tokens + most * (len(open_then) + len(late)),
    )
    return [
        Measurement("ledger", "tokens in complete responses", complete_tokens),
        Measurement("ledger", "tokens charged", charged, at_least=least, at_most=largest),
    ]


def _of_leaks(after: FinalState) -> list[Measurement]:
    measurements = [] if after.slots is None else [
        Measurement("leaks", "slots still held", after.slots, at_most=0)
    ]  # fmt: skip
    counts = [count for replicas in after.engines.values() for count in replicas]
    open_still = sum(count["handlers"] + count["running"] + count["waiting"] for count in counts)
    lost = sum(
        count["submitted"] - count["finished"] - count["cancelled"] - count["failed"]
        for count in counts
    )
    return [
        *measurements,
        Measurement("leaks", "model replicas looked into", len(counts), at_least=after.replicas),
        Measurement("leaks", "sequences still open in engines", open_still, at_most=0),
        Measurement("leaks", "sequences that engines lost count of", abs(lost), at_most=0),
    ]


def _of_healing(
    injected_faults: Sequence[InjectedFault], after: FinalState, recovery_limit_s: float
) -> list[Measurement]:
    longest = max((injected.recovery_s for injected in injected_faults), default=0.0)
    unhealed = sum(bool(injected.wrong) for injected in injected_faults)
    return [
        Measurement("healing", "longest recovery", longest, "s", at_most=recovery_limit_s),
        Measurement("healing", "faults without recovery", unhealed, at_most=0),
        Measurement("healing", "not recovered at the end", float(bool(after.wrong)), at_most=0),
        Measurement("audit", "the trail does not verify", float(bool(after.chain)), at_most=0),
    ]


def _of_growth(growths: Sequence[ResourceGrowth]) -> list[Measurement]:
    """What grew, judged where a bound is stated; of Python objects it is informational."""
    return [
        Measurement(
            "growth", f"{growth.measure} of {growth.processes} {growth.kind}",
            growth.last, f"from {growth.first:.0f}", at_most=_bound(growth),
        )
        for growth in growths
        if growth.measure != "objects" and growth.kind != "other"
    ]  # fmt: skip


def _bound(growth: ResourceGrowth) -> float | None:
    """None for threads of Ray's GCS: they are gRPC's, which adds some whenever all of them are
    kept from the cores for a moment, and keeps them."""
    if (growth.kind, growth.measure) == ("gcs", "threads"):
        return None
    noise = _NOISE[growth.measure] * growth.processes
    return growth.first * (1 + _GROWTH[growth.measure]) + noise


def effect(injected: InjectedFault, results: Sequence[RequestResult]) -> dict[str, Any]:
    """What clients saw of one fault: endings of what was under way or sent in its aftermath."""
    until = max(injected.end, injected.at + AFTERMATH_S)
    unary = [s for s in results if not s.stream and injected.at <= s.end and s.at <= until]
    failed = [s for s in unary if s.ending is not RequestOutcome.WHOLE]
    ended = [s for s in results if s.stream and injected.at <= s.end <= until]
    broken = [s for s in ended if s.ending is not RequestOutcome.WHOLE]
    return {
        "fault": injected.fault.name,
        "target": injected.action.target,
        "at_s": round(injected.at, 2),
        "recovery_s": round(injected.recovery_s, 2),
        "wrong": injected.wrong,
        "unary": len(unary),
        "failed": dict(Counter(describe_result(result) for result in failed)),
        "success": 1 - len(failed) / len(unary) if unary else 1.0,
        "p99_ms": 1e3 * quantile([s.took for s in unary if s.ending is RequestOutcome.WHOLE], 0.99),
        "streams_there": injected.action.streams,
        "streams_broken": dict(Counter(describe_result(result) for result in broken)),
    }


def calm(
    injected_faults: Sequence[InjectedFault], results: Sequence[RequestResult]
) -> list[RequestResult]:
    """Unary requests that nothing was done to."""
    return [
        result
        for result in results
        if not result.stream
        and not any(
            injected.at <= result.end and result.at <= max(injected.end, injected.at + AFTERMATH_S)
            for injected in injected_faults
        )
    ]


def describe_result(result: RequestResult) -> str:
    """How it failed, in a few words."""
    status = f" {result.status}" if result.status else ""
    return f"{result.ending}{status} {result.why}".strip()
