"""What must hold after a chaos run, whatever was done to the cluster. Pure.

In: every request's ending, what was done and when, and what the cluster says of itself afterwards.
Out: figures with the bounds that they have to keep. What a fault in the connections' own path
(an ingress replica, HAProxy) tears down can be saved by no server; it is counted apart.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from load_tests.benchmarks.common.measurement import Figure
from load_tests.benchmarks.faults.chaos.faults import Hit
from load_tests.benchmarks.faults.chaos.outcomes import TYPED, Ending, Shot
from load_tests.benchmarks.faults.chaos.resource_samples import Growth
from load_tests.timeline import quantile

AFTERMATH_S = 10.0  # after a fault, for the share of successes and the slowest requests
_BLINK_S = 0.1  # between a hit's moment and its signal
_TORN_S = 5.0  # until a client learns that what carried its request died
_DEADLINE = "deadline-exceeded"
_LEDGER_S = 2.0  # what an ingress replica has counted and not written down yet, at most
_GROWTH = {"rss_mib": 0.05, "fds": 0.0, "tasks": 0.0, "threads": 0.0}
_NOISE = {"rss_mib": 4.0, "fds": 3.0, "tasks": 5.0, "threads": 2.0}  # a process, beside the share


@dataclass(frozen=True)
class Afterwards:
    """What the cluster says once the load is over and nothing is under way.

    `charged` is tokens in the usage ledger. `slots` are those in use by the limiter's view (None:
    it cannot say). `engines` are the counts of model replicas, of which there should be
    `replicas`. `chain` is empty when the
    audit trail verifies, else what it says. `wrong` is what was not whole at the end.
    """

    charged: int
    slots: int | None
    replicas: int
    engines: dict[str, list[dict[str, Any]]]
    chain: str
    wrong: str


def verdicts(
    shots: Sequence[Shot],
    hits: Sequence[Hit],
    after: Afterwards,
    growths: Sequence[Growth],
    *,
    whole_s: float,
    service_s: float,
    failing: float = 0.0,
) -> list[Figure]:
    """`whole_s` is how long the cluster may need to be whole again after each fault, `failing` the
    share of unary requests that may fail, `service_s` what a request takes in its slot."""
    torn = [shot for shot in shots if is_torn(shot, hits)]
    refused = [shot for shot in shots if is_refused(shot, hits)]
    others = [s for s in shots if not is_torn(s, hits) and not is_refused(s, hits)]
    return [
        *_of_unary([shot for shot in others if not shot.stream], failing),
        *_of_streams([shot for shot in others if shot.stream], hits),
        Figure("endings", "torn with what carried them (nobody could save them)", len(torn)),
        Figure("endings", "refused while the limits' keeper was away", len(refused)),
        _untyped(others),
        *_of_kills(shots, hits, service_s),
        *_of_ledger(shots, hits, after.charged),
        *_of_leaks(after),
        *_of_healing(hits, after, whole_s),
        *_of_growth(growths),
    ]


def is_torn(shot: Shot, hits: Sequence[Hit]) -> bool:
    """Whether it was under way through what was killed, and ended because of that."""
    if shot.ending in TYPED or shot.ending is Ending.SILENT:
        return False
    return any(
        shot.at <= hit.at + _BLINK_S and hit.at - _BLINK_S <= shot.end <= hit.at + _TORN_S
        for hit in hits
        if hit.fault.in_path
    )


def is_refused(shot: Shot, hits: Sequence[Hit]) -> bool:
    """Whether a limit refused it because its keeper had just died."""
    return shot.status in (429, 503) and any(
        hit.fault.keeper and hit.at <= shot.end <= hit.end + AFTERMATH_S for hit in hits
    )


def hit_of(shot: Shot, hits: Sequence[Hit]) -> Hit | None:
    """The last thing that was done before the request ended, and before the next was."""
    before = [hit for hit in hits if hit.at <= shot.end]
    return max(before, key=lambda hit: hit.at, default=None)


def _of_unary(unary: Sequence[Shot], failing: float) -> list[Figure]:
    failed = sum(shot.ending is not Ending.WHOLE for shot in unary)
    share = 1e6 * failed / len(unary) if unary else 0.0
    wrong = sum(shot.ending is Ending.WRONG for shot in unary)
    return [
        Figure("endings", "unary requests", len(unary), at_least=1),
        Figure("endings", "unary requests that failed", failed, at_most=int(failing * len(unary))),
        Figure("endings", "... of a million", share),
        Figure("endings", "wrong answers", wrong, at_most=0),
    ]


def _of_streams(streams: Sequence[Shot], hits: Sequence[Hit]) -> list[Figure]:
    begun = [shot for shot in streams if shot.status == 200]
    broken = [shot for shot in begun if shot.ending is not Ending.WHOLE]
    planned = [shot for shot in broken if _planned(hit_of(shot, hits))]
    running = sum(hit.blow.streams for hit in hits)
    out_of_band = sum(shot.ending is not Ending.IN_BAND for shot in broken)
    return [
        Figure("streams", "streams", len(streams)),
        Figure("streams", "not opened", len(streams) - len(begun), at_most=0),
        Figure("streams", "broken in planned events", len(planned), at_most=0),
        Figure("streams", "broken, of those on killed replicas", len(broken), at_most=running),
        Figure("streams", "broken without a word in-band", out_of_band, at_most=0),
    ]


def _planned(hit: Hit | None) -> bool:
    return hit is None or hit.fault.planned


def _untyped(shots: Sequence[Shot]) -> Figure:
    untyped = sum(shot.ending not in TYPED for shot in shots)
    return Figure("endings", "ended otherwise than by an answer or a problem", untyped, at_most=0)


def _of_kills(shots: Sequence[Shot], hits: Sequence[Hit], service_s: float) -> list[Figure]:
    """One of several replicas died: how many were answered, and how much later."""
    seen = [effect(hit, shots) for hit in hits if hit.fault.name == "kill-model"]
    quiet = [shot.took for shot in calm(hits, shots) if shot.ending is Ending.WHOLE]
    if not seen or not quiet:
        return []
    added_ms = max(each["p99_ms"] for each in seen) - 1e3 * quantile(quiet, 0.99)
    success = min(each["success"] for each in seen)
    most_ms = 1e3 * service_s
    return [
        Figure("kill-model", "answered after it, at worst", 100 * success, "%", at_least=99.5),
        Figure("kill-model", "added to p99 after it, at worst", added_ms, "ms", at_most=most_ms),
    ]


def _of_ledger(shots: Sequence[Shot], hits: Sequence[Hit], charged: int) -> list[Figure]:
    """What whole answers say was used is charged, and nothing for those that failed.

    A killed ingress replica takes with it what it had not written down yet, and may have written
    down answers that it could not deliver any more. A call whose deadline passed is charged for
    what was generated until then, which its client does not learn.
    """
    computed = [shot for shot in shots if not shot.kept]
    whole = sum(shot.tokens for shot in computed if shot.ending is Ending.WHOLE)
    kills = [hit.at for hit in hits if hit.fault.name == "kill-ingress"]
    unwritten = sum(
        shot.tokens for shot in computed if any(0 <= at - shot.end <= _LEDGER_S for at in kills)
    )
    open_then = [shot for shot in computed if any(shot.at <= at <= shot.end for at in kills)]
    most = max((shot.tokens for shot in computed), default=0)
    late = [shot for shot in computed if shot.why == _DEADLINE]
    least, largest = whole - unwritten, whole + most * (len(open_then) + len(late))
    return [
        Figure("ledger", "tokens in whole answers", whole),
        Figure("ledger", "tokens charged", charged, at_least=least, at_most=largest),
    ]


def _of_leaks(after: Afterwards) -> list[Figure]:
    figures = [] if after.slots is None else [
        Figure("leaks", "slots still held", after.slots, at_most=0)
    ]  # fmt: skip
    counts = [count for replicas in after.engines.values() for count in replicas]
    open_still = sum(count["handlers"] + count["running"] + count["waiting"] for count in counts)
    lost = sum(
        count["submitted"] - count["finished"] - count["cancelled"] - count["failed"]
        for count in counts
    )
    return [
        *figures,
        Figure("leaks", "model replicas looked into", len(counts), at_least=after.replicas),
        Figure("leaks", "sequences still open in engines", open_still, at_most=0),
        Figure("leaks", "sequences that engines lost count of", abs(lost), at_most=0),
    ]


def _of_healing(hits: Sequence[Hit], after: Afterwards, whole_s: float) -> list[Figure]:
    longest = max((hit.whole_s for hit in hits), default=0.0)
    unhealed = sum(bool(hit.wrong) for hit in hits)
    return [
        Figure("healing", "longest until whole again", longest, "s", at_most=whole_s),
        Figure("healing", "faults it was not whole after", unhealed, at_most=0),
        Figure("healing", "not whole at the end", float(bool(after.wrong)), at_most=0),
        Figure("audit", "the trail does not verify", float(bool(after.chain)), at_most=0),
    ]


def _of_growth(growths: Sequence[Growth]) -> list[Figure]:
    """What grew, judged where a bound is stated; of Python objects it is only told."""
    return [
        Figure(
            "growth", f"{growth.measure} of {growth.processes} {growth.kind}",
            growth.last, f"from {growth.first:.0f}", at_most=_bound(growth),
        )
        for growth in growths
        if growth.measure != "objects" and growth.kind != "other"
    ]  # fmt: skip


def _bound(growth: Growth) -> float | None:
    """None for threads of Ray's GCS: they are gRPC's, which adds some whenever all of them are
    kept from the cores for a moment, and keeps them."""
    if (growth.kind, growth.measure) == ("gcs", "threads"):
        return None
    noise = _NOISE[growth.measure] * growth.processes
    return growth.first * (1 + _GROWTH[growth.measure]) + noise


def effect(hit: Hit, shots: Sequence[Shot]) -> dict[str, Any]:
    """What clients saw of one fault: endings of what was under way or sent in its aftermath."""
    until = max(hit.end, hit.at + AFTERMATH_S)
    unary = [s for s in shots if not s.stream and hit.at <= s.end and s.at <= until]
    failed = [s for s in unary if s.ending is not Ending.WHOLE]
    ended = [s for s in shots if s.stream and hit.at <= s.end <= until]
    broken = [s for s in ended if s.ending is not Ending.WHOLE]
    return {
        "fault": hit.fault.name,
        "target": hit.blow.target,
        "at_s": round(hit.at, 2),
        "whole_s": round(hit.whole_s, 2),
        "wrong": hit.wrong,
        "unary": len(unary),
        "failed": dict(Counter(said(shot) for shot in failed)),
        "success": 1 - len(failed) / len(unary) if unary else 1.0,
        "p99_ms": 1e3 * quantile([s.took for s in unary if s.ending is Ending.WHOLE], 0.99),
        "streams_there": hit.blow.streams,
        "streams_broken": dict(Counter(said(shot) for shot in broken)),
    }


def calm(hits: Sequence[Hit], shots: Sequence[Shot]) -> list[Shot]:
    """Unary requests that nothing was done to."""
    return [
        shot
        for shot in shots
        if not shot.stream
        and not any(
            hit.at <= shot.end and shot.at <= max(hit.end, hit.at + AFTERMATH_S) for hit in hits
        )
    ]


def said(shot: Shot) -> str:
    """How it failed, in a few words."""
    status = f" {shot.status}" if shot.status else ""
    return f"{shot.ending}{status} {shot.why}".strip()
