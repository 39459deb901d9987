"""A tenant's classifiers in requests for analysis: the name of one in, its trained head out.

Flows in: options of `classification` that may name a classifier. Flows out: the same with its head,
which no caller can send. The store is read for each request, so a classifier that was trained again
or deleted is so on every replica at once.
"""

import base64
from collections.abc import Mapping
from typing import Any

from cluster.administration.classifiers import ClassifierService
from cluster.classifiers.model import no_classifier
from cluster.runtime.problems import InvalidRequest, NotFound
from cluster.storage.database import DatabaseUnavailable
from deployments.text.classifier_options import BY, HEAD

_OPERATION = "classification"
_FIELD = "classifier"
_AT = f"options.{_OPERATION}.{_FIELD}"


class NamedClassifiers:
    """`service` is None where there is no store."""

    def __init__(self, service: ClassifierService | None) -> None:
        self._service = service

    async def resolve(self, tenant: str, options: Mapping[str, Any]) -> Mapping[str, Any]:
        """Options by operation, with the head in place of the classifier's name.

        Raises NotFound for one that the tenant does not have, InvalidRequest, DatabaseUnavailable.
        """
        given = options.get(_OPERATION)
        if given is None:
            return options
        for name in (HEAD, BY):
            if name in given:
                at = f"options.{_OPERATION}"
                raise InvalidRequest(f"{at}: '{name}' is not an option.", param=at)
        if _FIELD not in given:
            return options
        if len(given) > 1:
            raise InvalidRequest(f"{_AT}: is given without labels and examples.", param=_AT)
        return {**options, _OPERATION: await self._head(tenant, given[_FIELD])}

    async def _head(self, tenant: str, id: Any) -> dict[str, str]:
        if not isinstance(id, str):
            raise InvalidRequest(f"{_AT}: must be the name of a classifier.", param=_AT)
        if self._service is None:
            raise DatabaseUnavailable
        try:
            classifier, head = await self._service.open(tenant, id)
        except NotFound:
            raise no_classifier(id, _AT) from None
        return {HEAD: base64.b64encode(head).decode(), BY: classifier.reference}
