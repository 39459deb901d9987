"""How a request names a prompt template: natively, and as OpenAI's Responses API does."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from cluster.templates.document import TemplateId, TemplateLabel
from cluster.templates.variables import MAX_VARIABLES
from deployments.ingress.schemas.lenient import LenientPart

MAX_NUMBER = 2**31 - 1
VersionNumber = Annotated[int, Field(ge=1, le=MAX_NUMBER)]
Values = Annotated[dict[Annotated[str, Field(max_length=64)], Any], Field(max_length=MAX_VARIABLES)]


class TemplateUse(BaseModel):
    """A template by its id, and values for its variables. Without `version` and `label`: the
    version that is active.
    """

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        json_schema_extra={"example": {"id": "caption-brief", "variables": {"product": "tea"}}},
    )

    id: TemplateId
    version: VersionNumber | None = None
    label: TemplateLabel | None = None
    variables: Values = {}

    @model_validator(mode="after")
    def _names_one_version(self) -> Self:
        if self.version is not None and self.label is not None:
            raise ValueError("give a version or a label, not both")
        return self


class ResponsePrompt(LenientPart):
    """`prompt` of `/v1/responses`. A `version` of digits is a number, another one is a label."""

    id: Annotated[str, Field(min_length=1, max_length=256)]
    version: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    variables: Values | None = None

    @property
    def number(self) -> int | None:
        version = self.version or ""
        is_number = version.isascii() and version.isdigit() and len(version) < len(str(MAX_NUMBER))
        return int(version) if is_number else None

    @property
    def label(self) -> str | None:
        return self.version if self.number is None else None

    def values(self) -> dict[str, Any]:
        """OpenAI's parts of type `input_text` are their texts."""
        return {name: _value(value) for name, value in (self.variables or {}).items()}


def _value(value: Any) -> Any:
    if isinstance(value, Mapping) and value.get("type") == "input_text":
        return value.get("text")
    return value


class TemplatedBody(BaseModel):
    """`templated` is the field by which a body names a template, and the schema of bodies with one:
    the same, with fewer required fields (None: the body takes no template).
    """

    templated: ClassVar[tuple[str, type[BaseModel]] | None] = None
