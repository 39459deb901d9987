"""The pods of a Ray cluster on Kubernetes: its head and its groups of workers.

Flows in: values. Flows out: pod templates. KubeRay adds what starts Ray, and in the workers an
init container that waits for the head; so the head's own init container, which makes the store
ready, is done before any replica starts.
"""

from typing import Any

from cluster.production import environment
from cluster.production.environment import CERTIFICATES, HOME, MODELS, PORTS
from cluster.production.values import GpuWorkers, Resources, Values, Workers

USER = 10001  # of the images
DRAIN_MARGIN_S = 60  # from the last stream's end to the end of Ray's processes
READY = "/healthz"  # of a replica behind this pod's proxy; /readyz would fail with any one model
RAYLET, CONTROL = "/api/local_raylet_healthz", "/api/gcs_healthz"  # Ray's, without its token
WORKER, HEAD = "worker", "head"


def labels(values: Values, component: str | None = None) -> dict[str, str]:
    names = {"app.kubernetes.io/name": "mobula", "app.kubernetes.io/instance": values.name}
    return names if component is None else {**names, "app.kubernetes.io/component": component}


def service_account(values: Values, component: str) -> str:
    return f"{values.name}-{component}"


def termination_grace_s(values: Values) -> int:
    """Long enough for a stream that began just before its node was drained."""
    return values.longest_stream_s + DRAIN_MARGIN_S


def head(values: Values) -> dict[str, Any]:
    """Ray control, the Serve controller and the autoscaler; a Redis keeps what they know."""
    container = {
        **_container(values, values.image, values.head),
        "ports": _ports(**{"gcs-server": PORTS.gcs, "dashboard": PORTS.dashboard}),
        **_probes(values, _get(CONTROL, PORTS.dashboard)),
    }
    spec = {**_pod(values, HEAD), "initContainers": [_bootstrap(values)]}
    spec["containers"] = [{"name": "ray-head", **container}]
    return _template(values, HEAD, spec)


def workers(values: Values, group: Workers) -> dict[str, Any]:
    """A node that serves. Before it goes, its replicas have started elsewhere."""
    gpu = isinstance(group, GpuWorkers)
    image = group.image if isinstance(group, GpuWorkers) else values.image
    leave = ["python", "-m", "cluster.ops.node_drain", "--within", str(values.longest_stream_s)]
    container = {
        **_container(values, image, group),
        "ports": _ports(serve=PORTS.http),
        **_probes(values, _ready(values)),
        "lifecycle": {"preStop": {"exec": {"command": leave}}},
    }
    spec: dict[str, Any] = {
        **_pod(values, WORKER),
        "terminationGracePeriodSeconds": termination_grace_s(values),
        "topologySpreadConstraints": [_spread(values)],
        "containers": [{"name": "ray-worker", **container}],
    }
    if group.node_selector:
        spec["nodeSelector"] = group.node_selector
    if gpu:
        spec["tolerations"] = [{"key": "nvidia.com/gpu", "operator": "Exists"}]
    return _template(values, WORKER, spec)


def _template(values: Values, component: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {"metadata": {"labels": labels(values, component)}, "spec": spec}


def _pod(values: Values, component: str) -> dict[str, Any]:
    """Only the head speaks to Kubernetes: the autoscaler beside it asks for pods."""
    pod: dict[str, Any] = {
        "serviceAccountName": service_account(values, component),
        "automountServiceAccountToken": component == HEAD,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "volumes": _volumes(values),
    }
    if values.image_pull_secret:
        pod["imagePullSecrets"] = [{"name": values.image_pull_secret}]
    return pod


def _container(values: Values, image: str, size: Resources) -> dict[str, Any]:
    amounts: dict[str, Any] = {"cpu": str(size.cpus), "memory": f"{size.memory_gib}Gi"}
    if isinstance(size, GpuWorkers):
        amounts["nvidia.com/gpu"] = str(size.gpus)
    return {
        "image": image,
        "env": environment.env(values),
        "envFrom": environment.env_from(values),
        "resources": {"requests": amounts, "limits": dict(amounts)},
        "securityContext": security_context(),
        "volumeMounts": _mounts(values),
    }


def security_context() -> dict[str, Any]:
    return {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def _bootstrap(values: Values) -> dict[str, Any]:
    """Tables, the first tenant and its key. A head of an older version finds newer tables while an
    upgrade runs, and leaves them alone."""
    small = Resources(cpus=1, memory_gib=1)
    command = ["python", "-m", "cluster.cli", "bootstrap", "--accept-newer"]
    container = _container(values, values.image, small)
    own = [entry for entry in container["env"] if entry["name"].startswith("MOBULA_")]
    return {"name": "bootstrap", "command": command, **container, "env": own}


def _volumes(values: Values) -> list[dict[str, Any]]:
    own: list[dict[str, Any]] = [
        {"name": "home", "emptyDir": {}},
        {"name": "tmp", "emptyDir": {}},
    ]
    if values.secrets.tls:
        own.append({"name": "tls", "secret": {"secretName": values.secrets.tls}})
    if values.models_claim:
        claim = {"claimName": values.models_claim, "readOnly": True}
        own.append({"name": "models", "persistentVolumeClaim": claim})
    return own


def _mounts(values: Values) -> list[dict[str, Any]]:
    own: list[dict[str, Any]] = [
        {"name": "home", "mountPath": HOME},
        {"name": "tmp", "mountPath": "/tmp"},
    ]
    if values.secrets.tls:
        own.append({"name": "tls", "mountPath": CERTIFICATES, "readOnly": True})
    if values.models_claim:
        own.append({"name": "models", "mountPath": MODELS, "readOnly": True})
    return own


def _ports(**named: int) -> list[dict[str, Any]]:
    every = {**named, "metrics": PORTS.metrics}
    return [{"name": name, "containerPort": port} for name, port in every.items()]


def _get(path: str, port: int, host: str | None = None) -> dict[str, Any]:
    headers = [{"name": "Host", "value": host}] if host else []
    return {"path": path, "port": port, **({"httpHeaders": headers} if headers else {})}


def _ready(values: Values) -> dict[str, Any]:
    """The kubelet does not check a certificate."""
    probe = _get(READY, PORTS.http, environment.probe_host(values))
    return {**probe, "scheme": "HTTPS"} if values.secrets.tls else probe


def _probes(values: Values, ready: dict[str, Any]) -> dict[str, Any]:
    """Alive is Ray on this node. A node whose Ray is alive and serves nothing is not restarted."""
    alive = {"httpGet": _get(RAYLET, PORTS.agent), "periodSeconds": 5, "timeoutSeconds": 4}
    return {
        "startupProbe": {**alive, "failureThreshold": 60},
        "livenessProbe": {**alive, "failureThreshold": 24},
        "readinessProbe": {
            "httpGet": ready,
            "periodSeconds": 5,
            "timeoutSeconds": 4,
            "failureThreshold": 2,
        },
    }


def _spread(values: Values) -> dict[str, Any]:
    return {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": labels(values, WORKER)},
    }
