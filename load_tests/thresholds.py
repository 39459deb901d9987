"""Whether a load test passed: figures in, the sentences of what was missed out."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Thresholds:
    """`error_share` of requests, `p95_ms` over all of them, `min_requests` for a meaningful run."""

    error_share: float = 0.001
    p95_ms: float = 5_000.0
    min_requests: int = 20


def missed(
    thresholds: Thresholds, requests: int, failures: int, p95_ms: float, broken: int = 0
) -> list[str]:
    """One sentence for each threshold that was not met; empty means passed.

    `broken` counts users' tasks that raised: then the figures are not those of the planned load.
    """
    found = []
    if broken:
        found.append(f"{broken} tasks raised an error of their own; see the log")
    if requests < thresholds.min_requests:
        found.append(f"only {requests} requests; {thresholds.min_requests} make a run")
    share = failures / requests if requests else 1.0
    if share > thresholds.error_share:
        found.append(f"{share:.2%} of requests failed; at most {thresholds.error_share:.2%} may")
    if p95_ms > thresholds.p95_ms:
        found.append(f"p95 is {p95_ms:.0f} ms; at most {thresholds.p95_ms:.0f} ms may be")
    return found
