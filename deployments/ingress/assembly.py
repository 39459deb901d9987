"""Joins the parts of an ingress replica: what stands where between a caller and a model.

Flows in: the tenants' side and the models' side. Flows out: the Services of `create_app`.
"""

from collections.abc import Callable, Mapping

from cluster.clock import Clock
from cluster.settings import Settings
from cluster.version import VERSION
from deployments.content.registry import Providers
from deployments.contracts.generation import ServedModel
from deployments.ingress.estimates import Estimates
from deployments.ingress.gate import Gate
from deployments.ingress.models import Models
from deployments.ingress.offer import Offer
from deployments.ingress.path import Path
from deployments.ingress.services import Services
from deployments.ingress.tenancy import Tenancy


def assemble(
    settings: Settings,
    clock: Clock,
    tenancy: Tenancy,
    served: Mapping[str, ServedModel],
    offer: Offer,
    access_log: Callable[[bytes], None],
) -> Services:
    """Nothing is started here."""
    models = Models(served, clock)
    path = Path(models, tenancy.plan_of, Estimates(offer.output_caps), tenancy)
    generators = dict.fromkeys(served, path)
    return Services(
        settings=settings,
        authenticator=tenancy,
        plan_of=tenancy.plan_of,
        gate=Gate(tenancy.limiter, tenancy.plan_of, tenancy.trail, clock),
        models=models,
        path=path,
        providers=Providers(generators, offer.default_provider, offer.providers),
        clock=clock,
        version=VERSION,
        access_log=access_log,
        office=tenancy.office,
        limits_view=tenancy.limits_view,
        load=lambda: {**path.load(), **tenancy.load()},
    )
