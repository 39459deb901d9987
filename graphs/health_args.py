"""The section `health` of the configuration: the operator's own checks."""

from collections.abc import Collection
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, model_validator

from cluster.net.ssrf import UnsafeUrl
from deployments.ingress.health.config import (
    OWN_INTERVAL_S,
    OWN_TIMEOUT_S,
    HealthConfig,
    OwnCheckSpec,
)
from deployments.ingress.health.own_checks import parse_target

Status = Annotated[int, Field(ge=100, le=599)]
MAX_CHECKS = 50


class OwnCheckArgs(BaseModel):
    """A check of something that Mobula does not know. `url` is an https URL, which is asked with
    GET, or `tcp://host:port`; with a host of `egress.private_hosts` also http and any port. Healthy
    are statuses from `first_status` to `last_status`; redirects are not followed. `consequence`
    tells who reads it what stops working."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]{0,62}$")]
    url: Annotated[str, Field(min_length=1, max_length=2_000)]
    consequence: Annotated[str, Field(min_length=1, max_length=500)]
    interval_s: Annotated[float, Field(ge=1, le=86_400)] = OWN_INTERVAL_S
    timeout_s: Annotated[float, Field(ge=0.1, le=30)] = OWN_TIMEOUT_S
    first_status: Status = 200
    last_status: Status = 399


class HealthArgs(BaseModel):
    """`checks` are the operator's own, beside those of the cluster's dependencies."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    checks: Annotated[tuple[OwnCheckArgs, ...], Field(max_length=MAX_CHECKS)] = ()

    @model_validator(mode="after")
    def _check_names(self) -> "HealthArgs":
        names = [check.name for check in self.checks]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"health.checks: each name may appear once; twice: {', '.join(twice)}")
        return self

    def check_urls(self, private_hosts: Collection[str]) -> None:
        """Raises ValueError for a URL that may not be reached."""
        for check in self.checks:
            try:
                parse_target(check.url, is_private=_is_private(check.url, private_hosts))
            except UnsafeUrl as unsafe:
                hint = "a host of your own network has to be named in egress.private_hosts"
                raise ValueError(
                    f"health.checks: '{check.name}': {unsafe.detail[:-1]}; {hint}."
                ) from None

    def config(self, private_hosts: Collection[str], replicas: int) -> HealthConfig:
        """What the ingress is told."""
        own = [
            OwnCheckSpec(**check.model_dump(), is_private=_is_private(check.url, private_hosts))
            for check in self.checks
        ]
        return HealthConfig(tuple(own), replicas)


def _is_private(url: str, private_hosts: Collection[str]) -> bool:
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return False
    return host in {name.strip("[]").lower() for name in private_hosts}
