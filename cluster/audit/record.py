"""A record of the audit trail: actor, action, resource, outcome. Holds no prompts, responses or
secrets.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from cluster.runtime.quick_init import quick_init

Scalar = str | int | float | bool | None


@quick_init
@dataclass(frozen=True, slots=True)
class AuditRecord:
    """`at` is Unix seconds; `actor` is `key:<id>`, `user:<id>` or `system`; `action` is a dotted
    verb such as `chat`, `key.create`, `auth.login`; `resource` is what it was done to, such as
    `model:nano` or `key:abc`; `outcome` is `ok` or the slug of a problem.
    """

    at: float
    tenant: str
    actor: str
    action: str
    resource: str
    outcome: str = "ok"
    request_id: str = ""
    detail: Mapping[str, Scalar] = field(default_factory=dict)
