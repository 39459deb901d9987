"""`/api/v1/templates`: a tenant's prompt templates, their versions, labels and tests."""

import asyncio
from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from cluster.runtime.problems import InvalidRequest
from cluster.templates.document import PRODUCTION, CompiledTemplate, TemplateId
from cluster.templates.examples import digest_of
from cluster.templates.model import Template, TemplateVersion
from cluster.tenants.caller import Scope
from deployments.ingress.http.openapi import request_body
from deployments.ingress.http.request_body import read_json
from deployments.ingress.permissions import (
    ReadsTemplates,
    TestsTemplates,
    WritesTemplates,
    services_of,
)
from deployments.ingress.routes.responses import CHANGE, LOOK, MAKE
from deployments.ingress.schemas.template_use import MAX_NUMBER
from deployments.ingress.schemas.templates import (
    DiffQuery,
    DiffResponse,
    LabelResponse,
    RenderingResponse,
    TemplateActivation,
    TemplateCreate,
    TemplatePage,
    TemplatePatch,
    TemplateQuery,
    TemplateRendering,
    TemplateResponse,
    TemplateRollback,
    TemplateTest,
    TemplateWithExamples,
    TestReport,
    VersionCreate,
    VersionPage,
    VersionResponse,
)
from deployments.ingress.template_tests import TemplateTester, TestedVersion

router = APIRouter(prefix="/api/v1/templates", tags=["templates"])
Id = Annotated[TemplateId, Path(description="The template's id.")]
Number = Annotated[int, Path(ge=1, le=MAX_NUMBER, description="The version's number.")]


@router.get("", response_model=TemplatePage, responses=LOOK, summary="List prompt templates")
async def list_templates(
    access: ReadsTemplates, query: Annotated[TemplateQuery, Query()]
) -> TemplatePage:
    page = await access.admin.templates.list(access.tenant, query.limit, query.cursor)
    return TemplatePage(data=[_answer(each) for each in page.items], next_cursor=page.next)


@router.post(
    "",
    status_code=201,
    response_model=TemplateResponse,
    responses=MAKE,
    summary="Create a prompt template with its first version",
    openapi_extra=request_body(TemplateCreate),
)
async def create_template(access: WritesTemplates, request: Request) -> TemplateResponse:
    """The version is a draft until it is activated."""
    body = await read_json(request, TemplateCreate)
    made = await access.admin.templates.create(
        access.actor,
        access.tenant,
        body.id,
        body.document(),
        description=body.description,
        note=body.note,
        require_tests=body.require_tests,
        examples=body.examples,
    )
    return _answer(made)


@router.get(
    "/{template}",
    response_model=TemplateWithExamples,
    responses=LOOK,
    summary="Show a prompt template with its examples",
)
async def get_template(access: ReadsTemplates, template: Id) -> TemplateWithExamples:
    found, examples = await access.admin.templates.get(access.tenant, template)
    dumped = [each.model_dump(exclude_defaults=True) for each in examples]
    return TemplateWithExamples(**_answer(found).model_dump(), examples=dumped)


@router.patch(
    "/{template}",
    response_model=TemplateResponse,
    responses=CHANGE,
    summary="Change a template's description, examples, or whether it requires tests",
    openapi_extra=request_body(TemplatePatch),
)
async def update_template(
    access: WritesTemplates, template: Id, request: Request
) -> TemplateResponse:
    body = await read_json(request, TemplatePatch)
    changed = await access.admin.templates.update(
        access.actor,
        access.tenant,
        template,
        description=body.description,
        require_tests=body.require_tests,
        examples=body.examples,
    )
    return _answer(changed)


@router.delete(
    "/{template}", status_code=204, responses=CHANGE, summary="Delete a template, all versions"
)
async def delete_template(access: WritesTemplates, template: Id) -> Response:
    """Requests that name it are refused on every replica within a second."""
    await access.admin.templates.delete(access.actor, access.tenant, template)
    return Response(status_code=204)


@router.get(
    "/{template}/versions",
    response_model=VersionPage,
    responses=LOOK,
    summary="List a template's versions, newest first",
)
async def list_template_versions(
    access: ReadsTemplates, template: Id, query: Annotated[TemplateQuery, Query()]
) -> VersionPage:
    before = _number(query.cursor)
    service = access.admin.templates
    page = await service.versions(access.tenant, template, query.limit, before)
    return VersionPage(data=[_version(each) for each in page.items], next_cursor=page.next)


@router.post(
    "/{template}/versions",
    status_code=201,
    response_model=VersionResponse,
    responses=MAKE,
    summary="Add a version, a draft",
    openapi_extra=request_body(VersionCreate),
)
async def create_template_version(
    access: WritesTemplates, template: Id, request: Request
) -> VersionResponse:
    body = await read_json(request, VersionCreate)
    made = await access.admin.templates.create_version(
        access.actor, access.tenant, template, body.document(), note=body.note, base=body.base
    )
    return _version(made)


@router.get(
    "/{template}/versions/{version}",
    response_model=VersionResponse,
    responses=LOOK,
    summary="Show a version",
)
async def get_template_version(
    access: ReadsTemplates, template: Id, version: Number
) -> VersionResponse:
    return _version(await access.admin.templates.version(access.tenant, template, version))


@router.delete(
    "/{template}/versions/{version}",
    status_code=204,
    responses=CHANGE,
    summary="Delete a version that no label points to",
)
async def delete_template_version(
    access: WritesTemplates, template: Id, version: Number
) -> Response:
    await access.admin.templates.delete_version(access.actor, access.tenant, template, version)
    return Response(status_code=204)


@router.get(
    "/{template}/diff",
    response_model=DiffResponse,
    responses=LOOK,
    summary="Compare two versions",
)
async def compare_template_versions(
    access: ReadsTemplates, template: Id, query: Annotated[DiffQuery, Query()]
) -> DiffResponse:
    found = await access.admin.templates.diff(access.tenant, template, query.before, query.after)
    return DiffResponse.model_validate(
        {
            "template": template,
            "before": query.before,
            "after": query.after,
            "diff": found.text,
            "changes": [asdict(change) for change in found.changes],
        }
    )


@router.post(
    "/{template}/activate",
    response_model=LabelResponse,
    responses=CHANGE,
    summary="Let a label, production by default, point to a version",
    openapi_extra=request_body(TemplateActivation),
)
async def activate_template(
    access: WritesTemplates, template: Id, request: Request
) -> LabelResponse:
    body = await read_json(request, TemplateActivation)
    move = await access.admin.templates.activate(
        access.actor, access.tenant, template, body.version, body.label
    )
    return LabelResponse(template=template, **asdict(move))


@router.post(
    "/{template}/rollback",
    response_model=LabelResponse,
    responses=CHANGE,
    summary="Let a label point to a version that was active before",
    openapi_extra=request_body(TemplateRollback),
)
async def restore_template_version(
    access: WritesTemplates, template: Id, request: Request
) -> LabelResponse:
    """It takes effect on every replica within a second."""
    body = await read_json(request, TemplateRollback)
    move = await access.admin.templates.rollback(
        access.actor, access.tenant, template, body.version, body.label
    )
    return LabelResponse(template=template, **asdict(move))


@router.post(
    "/{template}/render",
    response_model=RenderingResponse,
    responses=CHANGE,
    summary="Render a version without calling a model",
    openapi_extra=request_body(TemplateRendering),
)
async def render_template(
    access: ReadsTemplates, template: Id, request: Request
) -> RenderingResponse:
    body = await read_json(request, TemplateRendering)
    service = access.admin.templates
    version = await service.resolve(access.tenant, template, body.version, body.label)
    compiled = await asyncio.to_thread(CompiledTemplate.of, version.document)
    rendered = compiled.render(template, version.number, body.variables, "variables")
    messages = None
    if rendered.messages is not None:
        messages = [{"role": role, "content": content} for role, content in rendered.messages]
    return RenderingResponse.model_validate(
        {
            "template": template,
            "version": version.number,
            "messages": messages,
            "text": rendered.text,
        }
    )


@router.post(
    "/{template}/test",
    response_model=TestReport,
    responses=CHANGE,
    summary="Try a version's examples with a model",
    openapi_extra=request_body(TemplateTest),
)
async def test_template(access: TestsTemplates, template: Id, request: Request) -> TestReport:
    """Each example is a model call that counts as any other. The result is recorded with the
    version where the template's own examples and its own model were tried.
    """
    access.request.require(Scope.GENERATE)
    body = await read_json(request, TemplateTest)
    service = access.admin.templates
    version = await service.resolve(access.tenant, template, body.version, body.label)
    _, stored = await service.get(access.tenant, template)
    examples = stored if body.examples is None else tuple(body.examples)
    tested = await _tested_version(template, version, body.model)
    if not examples:
        raise InvalidRequest("examples: the template has none; give some.", param="examples")
    tester = TemplateTester(services_of(request))
    results = await tester.run(access.request, tested, examples)
    passed = sum(result["status"] == "passed" for result in results)
    own_model = version.document.defaults.model
    is_recorded = body.examples is None and own_model in (None, tested.model)
    if is_recorded:
        digest = digest_of(examples) if passed == len(results) else None
        await service.record_test(
            access.actor, access.tenant, template, version.number, digest, passed
        )
    return TestReport.model_validate(
        {
            "template": template,
            "version": version.number,
            "model": tested.model,
            "passed": passed,
            "failed": len(results) - passed,
            "recorded": is_recorded,
            "results": results,
        }
    )


async def _tested_version(
    template: str, version: TemplateVersion, model: str | None
) -> TestedVersion:
    named = model or version.document.defaults.model
    if named is None:
        raise InvalidRequest("model: the template names none; give one.", param="model")
    compiled = await asyncio.to_thread(CompiledTemplate.of, version.document)
    return TestedVersion(template, version.number, compiled, named)


def _answer(template: Template) -> TemplateResponse:
    active = template.labels.get(PRODUCTION)
    return TemplateResponse.model_validate({**asdict(template), "active": active})


def _version(version: TemplateVersion) -> VersionResponse:
    document = version.document
    return VersionResponse(
        template=version.template,
        version=version.number,
        author=version.author,
        note=version.note,
        messages=document.messages,
        text=document.text,
        variables=document.variables,
        defaults=document.defaults,
        passed=version.passed is not None,
        created=version.created,
        activated=version.activated,
    )


def _number(cursor: str | None) -> int | None:
    """Raises InvalidRequest."""
    if cursor is None:
        return None
    if not cursor.isascii() or not cursor.isdigit() or int(cursor) > MAX_NUMBER:
        raise InvalidRequest("cursor: is not valid.", param="cursor")
    return int(cursor)
