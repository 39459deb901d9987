"""`/api/v1/text/classifiers`: a tenant's text classifiers, each trained on its examples."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from cluster.classifiers.model import ClassifierId, TenantClassifier, TrainedWeights
from cluster.runtime.problems import NotInstalled
from cluster.tenants.caller import Scope
from deployments.ingress.http.openapi import request_body
from deployments.ingress.http.request_body import read_json
from deployments.ingress.permissions import (
    AdminAccess,
    ReadsClassifiers,
    WritesClassifiers,
    services_of,
)
from deployments.ingress.pipeline.analysis_pipeline import AnalysisQuery
from deployments.ingress.routes.responses import CHANGE, LOOK, MAKE
from deployments.ingress.schemas.classifiers import (
    ClassifierCreate,
    ClassifierPage,
    ClassifierQuery,
    ClassifierResponse,
    ClassifierTrainingBody,
)
from deployments.text.classifier_training import TRAINING, training_text

router = APIRouter(prefix="/api/v1/text/classifiers", tags=["text"])
Id = Annotated[ClassifierId, Path(description="The classifier's id.")]


@router.get("", response_model=ClassifierPage, responses=LOOK, summary="List text classifiers")
async def list_classifiers(
    access: ReadsClassifiers, query: Annotated[ClassifierQuery, Query()]
) -> ClassifierPage:
    page = await access.admin.classifiers.list(access.tenant, query.limit, query.cursor)
    return ClassifierPage(data=[_answer(each) for each in page.items], next_cursor=page.next)


@router.post(
    "",
    status_code=201,
    response_model=ClassifierResponse,
    responses=MAKE,
    summary="Train a text classifier on examples of each label",
    openapi_extra=request_body(ClassifierCreate),
)
async def create_classifier(access: WritesClassifiers, request: Request) -> ClassifierResponse:
    """The characters of the examples are charged as those of texts that are analysed."""
    body = await read_json(request, ClassifierCreate)
    service = access.admin.classifiers
    await service.check_new(access.tenant, body.id)
    weights = await _train(access, request, body.examples)
    made = await service.create(
        access.actor, access.tenant, body.id, body.description or "", weights
    )
    return _answer(made)


@router.get(
    "/{classifier}",
    response_model=ClassifierResponse,
    responses=LOOK,
    summary="Show a text classifier",
)
async def get_classifier(access: ReadsClassifiers, classifier: Id) -> ClassifierResponse:
    return _answer(await access.admin.classifiers.get(access.tenant, classifier))


@router.put(
    "/{classifier}",
    response_model=ClassifierResponse,
    responses=CHANGE,
    summary="Train a text classifier again, as its next version",
    openapi_extra=request_body(ClassifierTrainingBody),
)
async def train_classifier(
    access: WritesClassifiers, classifier: Id, request: Request
) -> ClassifierResponse:
    """The version before is answered with until the training has ended."""
    body = await read_json(request, ClassifierTrainingBody)
    service = access.admin.classifiers
    await service.get(access.tenant, classifier)
    weights = await _train(access, request, body.examples)
    trained = await service.replace(
        access.actor, access.tenant, classifier, body.description, weights
    )
    return _answer(trained)


@router.delete(
    "/{classifier}", status_code=204, responses=CHANGE, summary="Delete a text classifier"
)
async def delete_classifier(access: WritesClassifiers, classifier: Id) -> Response:
    """Requests that name it are refused on every replica at once."""
    await access.admin.classifiers.delete(access.actor, access.tenant, classifier)
    return Response(status_code=204)


async def _train(
    access: AdminAccess, request: Request, examples: Mapping[str, Sequence[str]]
) -> TrainedWeights:
    """Raises NotInstalled where there is no embedding model, and what analysis raises."""
    access.request.require(Scope.GENERATE)
    text, options = training_text(examples)
    query = AnalysisQuery((text,), (TRAINING,), {TRAINING: options})
    pipeline = services_of(request).analysis_pipeline
    found = (await pipeline.analyze(query, access.request))[TRAINING][0]
    if not found["supported"]:
        raise NotInstalled(found["reason"], found.get("install", ""))
    return TrainedWeights(base64.b64decode(found["value"]), sum(map(len, examples.values())))


def _answer(classifier: TenantClassifier) -> ClassifierResponse:
    return ClassifierResponse.model_validate(
        {**asdict(classifier), "labels": list(classifier.labels)}
    )
