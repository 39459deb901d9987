"""Whether a flood by one tenant changed the latency of a quiet one. Pure."""

from collections.abc import Sequence

from load_tests.shapes import is_flooded
from load_tests.timeline import RequestSample, quantile

QUIET, NOISY = "quiet", "noisy"
LEAST = 10  # requests of a phase, to judge by


def list_missed_isolation(
    samples: Sequence[RequestSample], length_s: float, factor: float, slack_ms: float
) -> list[str]:
    """The quiet tenant's p95 within the flood may be `factor` times that outside, and `slack_ms`
    more; none of its requests may fail."""
    quiet = [sample for sample in samples if sample.name == QUIET]
    within = [s.took_ms for s in quiet if not s.failed and is_flooded(s.at, length_s)]
    outside = [s.took_ms for s in quiet if not s.failed and not is_flooded(s.at, length_s)]
    if min(len(within), len(outside)) < LEAST:
        return [f"quiet tenant: {len(within)} requests within and {len(outside)} outside the flood"]
    faults = []
    calm_ms, flood_ms = quantile(outside, 0.95), quantile(within, 0.95)
    if flood_ms > factor * calm_ms + slack_ms:
        faults.append(
            f"quiet tenant: p95 is {flood_ms:.0f} ms in the flood and {calm_ms:.0f} ms outside; "
            f"at most {factor:g} times that and {slack_ms:.0f} ms may be"
        )
    if failed := sum(sample.failed for sample in quiet):
        faults.append(f"quiet tenant: {failed} of its requests failed")
    return faults
