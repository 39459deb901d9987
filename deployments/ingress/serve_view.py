"""The cluster as Ray Serve shows it to a replica of the ingress."""

from cluster.runtime.clock import Clock
from deployments.clients.serve.application_replicas import ApplicationReplicas
from deployments.clients.serve.metrics_client import ServeMetricsClient
from deployments.clients.serve.serve_status import IngressPeers, ServeStatusClient, gcs_address
from deployments.ingress.cluster_view import ClusterView


def serve_view(clock: Clock) -> ClusterView:
    """Nothing is asked yet."""
    status = ServeStatusClient(clock)
    return ClusterView(
        IngressPeers(), status, ApplicationReplicas(status), ServeMetricsClient(clock), gcs_address
    )
