"""What is never cached. In: a request, a completion, or a failure. Out: whether it may be kept.

1. What the caller asked not to be stored (`Cache-Control: no-store`): it is not looked up either.
2. An answer drawn at random: temperature above 0, more than one token to choose from (top_k is not
   1) and no seed. Unless the request, or its tenant's plan, says that any one answer will do.
3. A truncated answer: a choice that ended because it reached a length ("length"), not its end.
4. An answer without any choice.
5. Another model's answer, given in place of one that could not be asked.
6. A cancelled or broken-off answer: only a whole Completion is kept, and such a call gives none.
7. A failure, such as a refusal by a limit (429), of the model (502, 503) or by the deadline (504).
   Unless it says that the request itself is wrong (400: out of range, longer than the model's
   context, a parameter the model does not support): a model says so again, so it is remembered for
   `REFUSAL_S` seconds in the replica's memory, and no longer or elsewhere.
"""

from typing import Final

from cluster.runtime.problems import InvalidRequest, Problem
from deployments.contracts.cache import Directives
from deployments.contracts.generation import Completion, GenerateRequest, Sampling

REFUSAL_S: Final = 2.0


def bypass_reason(
    request: GenerateRequest, directives: Directives, sampled_by_plan: bool
) -> str | None:
    """None if the answer may be looked up and kept; else why not, as one token for Cache-Status.

    `sampled_by_plan`: the tenant's plan lets answers that were drawn at random be given again.
    """
    if directives.no_store:
        return "no-store"
    if _drawn(request.sampling) and not (directives.sampled or sampled_by_plan):
        return "sampled"
    return None


def is_cacheable(completion: Completion) -> bool:
    """Whether every choice came to its own end."""
    choices = completion.choices
    return bool(choices) and all(choice.finish_reason != "length" for choice in choices)


def negative_ttl_s(problem: Problem) -> float:
    """Seconds for which this failure may be given again to an equal request; mostly 0."""
    return REFUSAL_S if isinstance(problem, InvalidRequest) else 0.0


def _drawn(sampling: Sampling) -> bool:
    return sampling.temperature > 0 and sampling.top_k != 1 and sampling.seed is None
