"""What an invalidation is aimed at, and the numbered row that it becomes.

all      every answer of every tenant
tenant   every answer of one tenant
model    what one model answered, to one tenant or (EVERYBODY) to all
tag      what a tenant tagged with the name
prefix   what a tenant tagged with anything that starts with the name
"""

import re
from dataclasses import dataclass
from typing import Literal

from cluster.invalidation.tags import check_tag
from cluster.runtime.problems import InvalidRequest

Kind = Literal["all", "tenant", "model", "tag", "prefix"]
EVERYBODY = ""  # in place of a tenant
MAX_MODEL = 200  # characters
_MODEL = re.compile(rf"[^\x00-\x1f\x7f\ud800-\udfff]{{1,{MAX_MODEL}}}")


@dataclass(frozen=True, slots=True)
class Target:
    """`name` is the model, tag or prefix; empty for `all` and `tenant`."""

    kind: Kind
    name: str = ""


ALL, TENANT = Target("all"), Target("tenant")


@dataclass(frozen=True, slots=True)
class Invalidation:
    """What touches it is worth nothing unless it was computed `as_of` this `seq` or later.

    `seq` rises in the order of commits. `tenant` may be EVERYBODY; `at` is Unix seconds.
    """

    tenant: str
    kind: Kind
    name: str
    seq: int
    at: float


def target_all(tenant: str) -> Target:
    """All that `tenant`, or EVERYBODY, has."""
    return ALL if tenant == EVERYBODY else TENANT


def check_target(tenant: str, target: Target) -> None:
    """Raises InvalidRequest for a name that none can have, or that EVERYBODY has not."""
    match target.kind:
        case "tag" | "prefix":
            check_tag(target.name, target.kind)
            if tenant == EVERYBODY:
                raise InvalidRequest(
                    f"{target.kind}: tags are a tenant's own; name the tenant.", param=target.kind
                )
        case "model":
            _check_model(target.name)
        case _:
            if target != target_all(tenant):
                raise InvalidRequest(
                    "everything: is a tenant's or, without a tenant, everybody's.",
                    param="everything",
                )


def _check_model(name: str) -> None:
    if _MODEL.fullmatch(name) is None:
        raise InvalidRequest(
            f"model: is 1 to {MAX_MODEL} characters, none of them a control character.",
            param="model",
            limit=MAX_MODEL,
        )
