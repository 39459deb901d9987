"""The machines: one series for each node, whichever of its replicas tells it."""

from cluster.metrics.metric import gauge

_NODE = ("node",)
_NODES = "ids of Ray's nodes"
_DISKS = f"{_NODES}; home, scratch"
_GPUS = f"{_NODES}; number of the GPU. Only where a library for NVML is installed"
_SOURCE = "node"

CPU = gauge(
    "mobula_node_cpu_ratio",
    "Part of the node's CPUs that was busy since the last scrape.",
    source=_SOURCE,
    labels=_NODE,
    labels_from=_NODES,
)
CPUS = gauge(
    "mobula_node_cpus", "CPUs of the node.", source=_SOURCE, labels=_NODE, labels_from=_NODES
)
MEMORY = gauge(
    "mobula_node_memory_bytes",
    "Memory of the node.",
    source=_SOURCE,
    labels=_NODE,
    labels_from=_NODES,
)
MEMORY_AVAILABLE = gauge(
    "mobula_node_memory_available_bytes",
    "Memory of the node that programs can have without swapping.",
    source=_SOURCE,
    labels=_NODE,
    labels_from=_NODES,
)
DISK = gauge(
    "mobula_node_disk_bytes",
    "Size of the file system that holds the home, or the scratch folder of videos.",
    source=_SOURCE,
    labels=("node", "disk"),
    labels_from=_DISKS,
)
DISK_FREE = gauge(
    "mobula_node_disk_free_bytes",
    "What is free of it.",
    source=_SOURCE,
    labels=("node", "disk"),
    labels_from=_DISKS,
)
GPU_USED = gauge(
    "mobula_node_gpu_utilization_ratio",
    "Part of the last moments in which the GPU was busy.",
    source=_SOURCE,
    labels=("node", "gpu"),
    labels_from=_GPUS,
)
GPU_MEMORY = gauge(
    "mobula_node_gpu_memory_bytes",
    "Memory of the GPU.",
    source=_SOURCE,
    labels=("node", "gpu"),
    labels_from=_GPUS,
)
GPU_MEMORY_USED = gauge(
    "mobula_node_gpu_memory_used_bytes",
    "Memory of the GPU that is in use.",
    source=_SOURCE,
    labels=("node", "gpu"),
    labels_from=_GPUS,
)
