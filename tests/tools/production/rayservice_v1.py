"""The fields of RayService that we use, as KubeRay 1.7's reference of `ray.io/v1` has them.

Our transcription, no copy of the CRD: no package that can be installed carries that. What it
refuses, KubeRay's own validation of the same release refuses too; what KubeRay added since is not
here. Pod templates are Kubernetes' own and validated as such elsewhere.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt, StrictStr, model_validator

Natural = Annotated[StrictInt, Field(ge=0)]
Percent = Annotated[StrictInt, Field(ge=0, le=100)]
Label = Annotated[StrictStr, Field(pattern=r"^[a-z]([-a-z0-9]*[a-z0-9])?$", max_length=47)]


class _Object(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Metadata(_Object):
    name: Label
    namespace: Label
    labels: dict[StrictStr, StrictStr] = {}
    annotations: dict[StrictStr, StrictStr] = {}


class ClusterUpgradeOptions(_Object):
    gatewayClassName: Annotated[StrictStr, Field(min_length=1)]  # noqa: N815
    stepSizePercent: Percent  # noqa: N815
    intervalSeconds: Annotated[StrictInt, Field(gt=0)]  # noqa: N815
    maxSurgePercent: Percent = 100  # noqa: N815

    @model_validator(mode="after")
    def _step_is_within_the_surge(self) -> Self:
        assert self.stepSizePercent <= self.maxSurgePercent
        return self


class UpgradeStrategy(_Object):
    type: Literal["NewClusterWithIncrementalUpgrade", "NewCluster", "None"]
    clusterUpgradeOptions: ClusterUpgradeOptions | None = None  # noqa: N815


class AuthOptions(_Object):
    mode: Literal["token", "disabled"]
    secretName: StrictStr | None = None  # noqa: N815


class RedisCredential(_Object):
    value: StrictStr | None = None
    valueFrom: dict[StrictStr, dict[StrictStr, StrictStr]] | None = None  # noqa: N815


class GcsFaultToleranceOptions(_Object):
    redisAddress: StrictStr  # noqa: N815
    redisUsername: RedisCredential | None = None  # noqa: N815
    redisPassword: RedisCredential | None = None  # noqa: N815
    externalStorageNamespace: StrictStr | None = None  # noqa: N815


class AutoscalerOptions(_Object):
    version: Literal["v1", "v2"] | None = None
    idleTimeoutSeconds: Natural | None = None  # noqa: N815
    upscalingMode: Literal["Default", "Aggressive", "Conservative"] | None = None  # noqa: N815
    image: StrictStr | None = None
    imagePullPolicy: Literal["Always", "IfNotPresent", "Never"] | None = None  # noqa: N815
    securityContext: dict[str, Any] | None = None  # noqa: N815
    resources: dict[Literal["requests", "limits"], dict[str, str]] | None = None


class _Group(_Object):
    rayStartParams: dict[StrictStr, StrictStr]  # noqa: N815
    template: dict[str, Any]

    @model_validator(mode="after")
    def _has_a_container(self) -> Self:
        assert self.template["spec"]["containers"]
        assert "labels" not in self.rayStartParams
        return self


class HeadGroupSpec(_Group):
    serviceType: StrictStr | None = None  # noqa: N815


class WorkerGroupSpec(_Group):
    groupName: Label  # noqa: N815
    replicas: Natural
    minReplicas: Natural  # noqa: N815
    maxReplicas: Natural  # noqa: N815

    @model_validator(mode="after")
    def _bounds_fit(self) -> Self:
        assert self.minReplicas <= self.replicas <= self.maxReplicas
        return self


class RayClusterSpec(_Object):
    rayVersion: Annotated[StrictStr, Field(pattern=r"^\d+\.\d+\.\d+$")]  # noqa: N815
    authOptions: AuthOptions | None = None  # noqa: N815
    gcsFaultToleranceOptions: GcsFaultToleranceOptions | None = None  # noqa: N815
    enableInTreeAutoscaling: StrictBool = False  # noqa: N815
    autoscalerOptions: AutoscalerOptions | None = None  # noqa: N815
    headGroupSpec: HeadGroupSpec  # noqa: N815
    workerGroupSpecs: list[WorkerGroupSpec] = []  # noqa: N815

    @model_validator(mode="after")
    def _second_autoscaler_makes_pods_anew(self) -> Self:
        if self.autoscalerOptions and self.autoscalerOptions.version == "v2":
            for group in (self.headGroupSpec, *self.workerGroupSpecs):
                assert group.template["spec"].get("restartPolicy", "Never") == "Never"
        return self


class RayServiceSpec(_Object):
    upgradeStrategy: UpgradeStrategy | None = None  # noqa: N815
    rayClusterDeletionDelaySeconds: Natural = 60  # noqa: N815
    excludeHeadPodFromServeSvc: StrictBool = False  # noqa: N815
    serveConfigV2: StrictStr  # noqa: N815
    rayClusterConfig: RayClusterSpec  # noqa: N815

    @model_validator(mode="after")
    def _steps_need_the_autoscaler(self) -> Self:
        strategy = self.upgradeStrategy
        if strategy and strategy.type == "NewClusterWithIncrementalUpgrade":
            assert strategy.clusterUpgradeOptions is not None
            assert self.rayClusterConfig.enableInTreeAutoscaling
        return self


class RayService(_Object):
    apiVersion: Literal["ray.io/v1"]  # noqa: N815
    kind: Literal["RayService"]
    metadata: Metadata
    spec: RayServiceSpec
