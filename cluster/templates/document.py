"""What a version of a template is: messages or one text, variables, defaults of the request.

In: a document of a tenant. Out: the same, checked, as a `CompiledTemplate` that renders values;
or InvalidRequest naming a field. Each value is inserted into the content of one message, so it can
begin no other message, and rendered text is never rendered again.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from cluster.runtime.problems import InvalidRequest
from cluster.templates.language import LanguageError, parse, variables_of
from cluster.templates.program import Program, RenderBudget, RenderLimit, render
from cluster.templates.variables import (
    MAX_VARIABLES,
    Variable,
    VariableName,
    VariableValue,
    check_values,
)

MAX_MESSAGES = 64
MAX_SOURCE = 32_768  # characters of all texts of a version
MAX_LINES = 2_000  # of all texts of a version
MAX_STOPS = 32

TemplateId = Annotated[str, Field(pattern=r"^[a-z0-9_-]{1,64}$")]
TemplateLabel = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,31}$")]
PRODUCTION = "production"  # the label of the version that is active
TEXT = "text"  # the field of a template without messages


class _TemplateModel(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class TemplateMessage(_TemplateModel):
    """One message; its content is in the template language."""

    role: Literal["system", "developer", "user", "assistant"]
    content: Annotated[str, Field(max_length=MAX_SOURCE)]


class TemplateDefaults(_TemplateModel):
    """Fields of a request that a use of the template does not give, under OpenAI's names."""

    model: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2, allow_inf_nan=False)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)] | None = None
    max_tokens: Annotated[int, Field(ge=1, lt=2**31)] | None = None
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = None
    stop: (
        Annotated[
            list[Annotated[str, Field(min_length=1, max_length=256)]],
            Field(max_length=MAX_STOPS),
        ]
        | None
    ) = None
    presence_penalty: Annotated[float, Field(ge=-2, le=2, allow_inf_nan=False)] | None = None
    frequency_penalty: Annotated[float, Field(ge=-2, le=2, allow_inf_nan=False)] | None = None
    response_format: dict[str, Any] | None = None


class TemplateDocument(_TemplateModel):
    """`messages` for chats, or `text` for completions, briefs, and a chat of one user message."""

    messages: (
        Annotated[list[TemplateMessage], Field(min_length=1, max_length=MAX_MESSAGES)] | None
    ) = None
    text: Annotated[str, Field(min_length=1, max_length=MAX_SOURCE)] | None = None
    variables: Annotated[dict[VariableName, Variable], Field(max_length=MAX_VARIABLES)] = {}
    defaults: TemplateDefaults = TemplateDefaults()

    @model_validator(mode="after")
    def _check_source(self) -> Self:
        if (self.messages is None) == (self.text is None):
            raise ValueError("give either messages or a text")
        texts = [content for _, content in self.sources()]
        if sum(map(len, texts)) > MAX_SOURCE:
            raise ValueError(f"the texts are over {MAX_SOURCE} characters together")
        if sum(text.count("\n") for text in texts) > MAX_LINES:
            raise ValueError(f"the texts are over {MAX_LINES} lines together")
        return self

    def sources(self) -> list[tuple[str, str]]:
        """The role of each text (TEXT where there are no messages), and the text."""
        if self.messages is None:
            return [(TEXT, self.text or "")]
        return [(message.role, message.content) for message in self.messages]


@dataclass(frozen=True, slots=True)
class RenderedTemplate:
    """A version with values in it: `messages` as (role, content), or `text`."""

    template: str
    version: int
    messages: tuple[tuple[str, str], ...] | None
    text: str | None
    defaults: TemplateDefaults

    @property
    def reference(self) -> str:
        """`id@version`."""
        return f"{self.template}@{self.version}"

    def as_messages(self) -> tuple[tuple[str, str], ...]:
        """The messages; a text is one of the user's."""
        return (("user", self.text or ""),) if self.messages is None else self.messages

    def as_text(self, param: str) -> str:
        """Raises InvalidRequest naming `param` for a template of messages."""
        if self.text is None:
            raise InvalidRequest(
                f"{param}.id: '{self.template}' is a template of messages, for chats; here one of "
                "a text is needed.",
                param=f"{param}.id",
            )
        return self.text


@dataclass(frozen=True, slots=True)
class CompiledTemplate:
    """A document that is ready to be rendered."""

    document: TemplateDocument
    programs: tuple[tuple[str, Program], ...]  # with the role of each

    @classmethod
    def of(cls, document: TemplateDocument) -> "CompiledTemplate":
        """Raises InvalidRequest naming a text that is no template, or a variable that no text
        uses. Takes up to 0.2 s for the longest text: call it in a thread.
        """
        types = {name: variable.type for name, variable in document.variables.items()}
        programs: list[tuple[str, Program]] = []
        used: set[str] = set()
        for index, (role, source) in enumerate(document.sources()):
            try:
                program = parse(source, types)
            except LanguageError as error:
                param = TEXT if document.messages is None else f"messages.{index}.content"
                raise InvalidRequest(f"{param}: {error}.", param=param) from None
            used |= variables_of(program)
            programs.append((role, program))
        for name in types:
            if name not in used:
                param = f"variables.{name}"
                raise InvalidRequest(f"{param}: no text uses it.", param=param)
        return cls(document, tuple(programs))

    def render(
        self, template: str, version: int, given: Mapping[str, object], param: str
    ) -> RenderedTemplate:
        """`param` is the field that has the values.

        Raises InvalidRequest for values that are not those of the variables, and for a text over
        the limits.
        """
        values = check_values(self.document.variables, given, param)
        texts = self._texts(values, param)
        if self.document.messages is None:
            return RenderedTemplate(template, version, None, texts[0][1], self.document.defaults)
        return RenderedTemplate(template, version, tuple(texts), None, self.document.defaults)

    def _texts(self, values: Mapping[str, VariableValue], param: str) -> list[tuple[str, str]]:
        budget = RenderBudget()
        try:
            return [(role, render(program, values, budget)) for role, program in self.programs]
        except RenderLimit as error:
            raise InvalidRequest(f"{param}: {error}.", param=param) from None
