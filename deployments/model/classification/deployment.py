"""The Serve replica of one classifier.

In: a ClassifierSpec and calls over a handle. Out: Classifications, stats. A plain class: graphs/
makes the deployment of it.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

from cluster.runtime.clock import SystemClock
from cluster.runtime.problems import Problem
from deployments.clients.link.methods import CLASSIFY
from deployments.contracts.classification import Classification, ClassifyRequest
from deployments.model.classification.serving import ClassifierModel, load_classifier
from deployments.model.classification.spec import ClassifierSpec
from deployments.model.encoders.replica import EncoderReplica
from deployments.model.errors import as_response
from deployments.model.spec import resolve_spec


class ClassifierReplica(EncoderReplica):
    """Loads in its constructor: Serve awaits it and sends no request before it has returned."""

    _model: ClassifierModel

    async def __init__(self, spec: ClassifierSpec | Mapping[str, Any]) -> None:  # type: ignore[misc]
        settings = self._begin()
        spec = resolve_spec(ClassifierSpec, spec, settings.model_spec)
        clock = SystemClock()
        self._model = await asyncio.to_thread(load_classifier, spec, settings.home, clock)
        self._serve(spec.id, {CLASSIFY: self.classify})

    async def classify(self, request: ClassifyRequest) -> Classification | Problem:
        """Returns problems: of what is raised, Serve logs the whole traceback."""
        return await as_response(self._model.classify(request), request)
