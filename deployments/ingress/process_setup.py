"""What an ingress process does before it builds its services."""

from dataclasses import replace

from cluster.logs.process_log import configure_logging
from cluster.runtime.garbage_collection import collect_rarely
from cluster.runtime.settings import Settings
from deployments.ingress.config import IngressConfig
from deployments.ingress.names.spec import load_settings


def prepare_process(settings: Settings, config: IngressConfig) -> IngressConfig:
    """Begins its log. Returns the configuration with the names of models that were set since."""
    configure_logging(settings, "ingress")
    collect_rarely()
    if settings.ingress_names is None:
        return config
    return replace(config, names=load_settings(settings.ingress_names))
