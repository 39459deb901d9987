"""The whole application, in the order a request meets it.

`build` is what serve_config.yaml names. This module must not import `annotations` from
`__future__`: Serve reads the raw annotation to find the typed args.
"""

from ray import serve
from ray.serve import Application

from deployments.ingress.deployment import Ingress
from graphs.args import AppArgs
from graphs.options import ingress_options
from graphs.text import text_models


def build(args: AppArgs) -> Application:
    """Compose the stages; raises pydantic's ValidationError with sentences for the operator."""
    args = AppArgs.model_validate(args)
    models = text_models(args.models)
    ingress = serve.deployment(serve.ingress()(Ingress), **ingress_options(args.ingress))
    return ingress.bind(models, args.default_provider, args.content.providers)
