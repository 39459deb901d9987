"""The target of an invalidation, and its numbered row.

all      every entry of every tenant
tenant   every entry of one tenant
model    the entries of one model, of one tenant or (EVERYBODY) of all
tag      the entries that a tenant gave this tag
prefix   the entries that a tenant gave a tag with this prefix
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
    """Invalidates the entries that it matches, unless they were computed `as_of` `seq` or later.

    `seq` rises in the order of commits. `tenant` may be EVERYBODY; `at` is Unix seconds.
    """

    tenant: str
    kind: Kind
    name: str
    seq: int
    at: float


def target_all(tenant: str) -> Target:
    """The target for everything of `tenant`, or of EVERYBODY."""
    return ALL if tenant == EVERYBODY else TENANT


def check_target(tenant: str, target: Target) -> None:
    """Raises InvalidRequest for an impossible name, or one that needs a tenant."""
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
