"""What callers send and get about prompt templates."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from cluster.runtime.problems import InvalidRequest
from cluster.templates.document import (
    PRODUCTION,
    TemplateDefaults,
    TemplateDocument,
    TemplateId,
    TemplateLabel,
    TemplateMessage,
)
from cluster.templates.examples import MAX_EXAMPLES, TemplateExample
from cluster.templates.variables import Variable
from cluster.tenants.plan import Id
from deployments.ingress.schemas.admin import PageQuery, PageResponse, Patch, Strict, example
from deployments.ingress.schemas.answers import TokenUsage
from deployments.ingress.schemas.template_use import Values, VersionNumber
from deployments.ingress.schemas.tools import ResponseFormat

Description = Annotated[str, Field(max_length=500, pattern=r"^[^\x00]*$")]
Examples = Annotated[list[TemplateExample], Field(max_length=MAX_EXAMPLES)]

_MESSAGES = [
    {"role": "system", "content": "You write for {{ brand }}. {% if formal %}Be formal.{% endif %}"}
]
_VARIABLES = {
    "brand": {"type": "string", "max_length": 80},
    "formal": {"type": "boolean", "default": False},
}


class VersionCreate(TemplateDocument):
    """Body of `POST .../versions`. With `base`, only if that is the last version."""

    model_config = example(messages=_MESSAGES, variables=_VARIABLES, note="A formal tone.")

    note: Description = ""
    base: VersionNumber | None = None

    @model_validator(mode="after")
    def _check_response_format(self) -> Self:
        format = self.defaults.response_format
        if format is not None:
            try:
                ResponseFormat.model_validate(format).output_format()
            except ValidationError:
                raise ValueError("defaults.response_format: is none of OpenAI's forms") from None
            except InvalidRequest as problem:
                raise ValueError(f"defaults.{problem.detail}") from None
        return self

    def document(self) -> TemplateDocument:
        return TemplateDocument(
            messages=self.messages,
            text=self.text,
            variables=self.variables,
            defaults=self.defaults,
        )


class TemplateCreate(VersionCreate):
    """Body of `POST /api/v1/templates`: a template and its first version, a draft."""

    model_config = example(id="house-style", messages=_MESSAGES, variables=_VARIABLES)

    id: TemplateId
    description: Description = ""
    require_tests: bool = False
    examples: Examples = []
    base: None = None


class TemplatePatch(Patch):
    """`examples` replaces all of them."""

    model_config = example(require_tests=True)

    description: Description | None = None
    require_tests: bool | None = None
    examples: Examples | None = None


class TemplateActivation(Strict):
    model_config = example(version=3)

    version: VersionNumber
    label: TemplateLabel = PRODUCTION


class TemplateRollback(Strict):
    """Without a version: to the one that the label pointed to before."""

    model_config = example()

    version: VersionNumber | None = None
    label: TemplateLabel = PRODUCTION


class _OneVersion(Strict):
    version: VersionNumber | None = None
    label: TemplateLabel | None = None


class TemplateRendering(_OneVersion):
    """Values to render with; without a version and a label, the active version."""

    model_config = example(version=1, variables={"brand": "Acme"})

    variables: Values = {}


class TemplateTest(_OneVersion):
    """`examples` are tried instead of those of the template. `model` is needed where the template
    names none.
    """

    model_config = example(version=2, model="nano")

    model: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    examples: Annotated[Examples, Field(min_length=1)] | None = None


class TemplateQuery(PageQuery):
    """One page of a listing."""

    tenant: Id | None = None


class DiffQuery(BaseModel):
    """The numbers of two versions."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tenant: Id | None = None
    before: Annotated[VersionNumber, Field(alias="from")]
    after: Annotated[VersionNumber, Field(alias="to")]


class TemplateResponse(BaseModel):
    """`labels` maps labels to versions; `active` is that of `production` (null: all are drafts)."""

    id: str
    description: str
    require_tests: bool
    latest: int
    active: int | None
    labels: dict[str, int]
    created: float
    updated: float


class TemplateWithExamples(TemplateResponse):
    examples: list[dict[str, Any]]


class TemplatePage(PageResponse):
    data: list[TemplateResponse]


class VersionResponse(BaseModel):
    """`passed`: the version has passed the examples as they were at its last test."""

    template: str
    version: int
    author: str
    note: str
    messages: list[TemplateMessage] | None
    text: str | None
    variables: dict[str, Variable]
    defaults: TemplateDefaults
    passed: bool
    created: float
    activated: float | None


class VersionPage(PageResponse):
    data: list[VersionResponse]


class FieldChangeBody(BaseModel):
    """`before` is null where the field was added, `after` where it was removed."""

    field: str
    before: Any
    after: Any


class DiffResponse(BaseModel):
    """A unified diff of the texts, and what else differs."""

    template: str
    before: Annotated[int, Field(serialization_alias="from")]
    after: Annotated[int, Field(serialization_alias="to")]
    diff: str
    changes: list[FieldChangeBody]


class LabelResponse(BaseModel):
    """Where a label points now, and where it pointed before."""

    template: str
    label: str
    version: int
    previous: int | None


class RenderedMessage(BaseModel):
    role: str
    content: str


class RenderingResponse(BaseModel):
    """What a request with the template would send to the model."""

    template: str
    version: int
    messages: list[RenderedMessage] | None
    text: str | None


class Failure(BaseModel):
    expectation: str
    detail: str


class ExampleResult(BaseModel):
    """`error` is the problem of an example that could not be tried."""

    index: int
    name: str
    status: Literal["passed", "failed", "error"]
    failures: list[Failure] = []
    output: str | None = None
    usage: TokenUsage | None = None
    error: dict[str, Any] | None = None


class TestReport(BaseModel):
    """`recorded`: the result counts where the template requires tests."""

    template: str
    version: int
    model: str
    passed: int
    failed: int
    recorded: bool
    results: list[ExampleResult]
