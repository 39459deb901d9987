"""The fields of the Prometheus operator's objects that we use, as `monitoring.coreos.com/v1` has
them.

Our transcription, no copy of the CRDs: no package that can be installed carries those.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictStr

from tests.tools.production.rayservice_v1 import Metadata

Duration = Annotated[StrictStr, Field(pattern=r"^(0|(([0-9]+)(ms|s|m|h|d|w|y))+)$")]
PortName = Annotated[StrictStr, Field(pattern=r"^[a-z]([-a-z0-9]{0,13}[a-z0-9])?$")]


class _Object(BaseModel):
    model_config = ConfigDict(extra="forbid")


class SecretKeySelector(_Object):
    name: StrictStr
    key: StrictStr


class Authorization(_Object):
    type: Literal["Bearer"]
    credentials: SecretKeySelector


class RelabelConfig(_Object):
    action: Literal["replace", "labeldrop"]
    targetLabel: StrictStr | None = None  # noqa: N815
    replacement: StrictStr | None = None
    regex: StrictStr | None = None


class Endpoint(_Object):
    port: PortName
    interval: Duration
    path: StrictStr = "/metrics"
    scheme: Literal["http", "https"] = "http"
    tlsConfig: dict[Literal["insecureSkipVerify"], bool] | None = None  # noqa: N815
    authorization: Authorization | None = None
    relabelings: list[RelabelConfig] = []


class ServiceMonitorSpec(_Object):
    selector: dict[Literal["matchLabels"], dict[str, str]]
    endpoints: Annotated[list[Endpoint], Field(min_length=1)]


class ServiceMonitor(_Object):
    apiVersion: Literal["monitoring.coreos.com/v1"]  # noqa: N815
    kind: Literal["ServiceMonitor"]
    metadata: Metadata
    spec: ServiceMonitorSpec


class Rule(_Object):
    record: StrictStr | None = None
    alert: StrictStr | None = None
    expr: Annotated[StrictStr, Field(min_length=1)]
    for_: Annotated[Duration | None, Field(alias="for")] = None
    keep_firing_for: Duration | None = None
    labels: dict[StrictStr, StrictStr] = {}
    annotations: dict[StrictStr, StrictStr] = {}


class RuleGroup(_Object):
    name: Annotated[StrictStr, Field(min_length=1)]
    interval: Duration
    rules: Annotated[list[Rule], Field(min_length=1)]


class PrometheusRule(_Object):
    apiVersion: Literal["monitoring.coreos.com/v1"]  # noqa: N815
    kind: Literal["PrometheusRule"]
    metadata: Metadata
    spec: dict[Literal["groups"], list[RuleGroup]]


KINDS: dict[str, type[_Object]] = {
    "ServiceMonitor": ServiceMonitor,
    "PrometheusRule": PrometheusRule,
}


def validate(value: dict[str, Any]) -> None:
    """Raises ValueError for what the operator's validation would refuse, as far as we know it."""
    KINDS[value["kind"]].model_validate(value)
