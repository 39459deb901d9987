"""What the graph tells the ingress about the models behind it, beside their handles."""

from collections.abc import Mapping
from dataclasses import dataclass

from cluster.runtime.pickle_compat import version_tolerant
from cluster.tenants.units import Unit


@version_tolerant
@dataclass(frozen=True, slots=True)
class ModelSettings:
    """`providers` maps names that content may be asked for to model ids, `default_provider` is
    used when a caller names none. By model id: `output_caps`, the most tokens of one choice, and
    `costs`, micro-currency that 1,000 of a unit cost the operator.
    """

    default_provider: str
    providers: Mapping[str, str]
    output_caps: Mapping[str, int]
    costs: Mapping[str, Mapping[Unit, int]]
