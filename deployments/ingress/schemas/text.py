"""What callers send for the analysis, the summary, the rewriting and the translation of texts, and
what they get."""

from typing import Annotated, Any, Literal, Self

import regex
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from deployments.contracts.text_analysis import MAX_CHARACTERS, MAX_TEXTS
from deployments.ingress.schemas.answers import TokenUsage
from deployments.ingress.schemas.content import EndUser
from deployments.ingress.schemas.embeddings import ApiResponse
from deployments.text.analysis import default_operations, text_operations

MAX_SENTENCES = 20
_CONTROL = regex.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


def check_characters(text: str) -> str:
    """Line breaks and tabs are the only control characters of a text."""
    found = _CONTROL.search(text)
    if found is not None:
        raise PydanticCustomError(
            "control_character",
            "has the control character U+{code} at {place}",
            {"code": f"{ord(found.group()):04X}", "place": found.start()},
        )
    return text


def _check_operation(name: str) -> str:
    known = text_operations()
    if name not in known:
        raise PydanticCustomError(
            "operation", "is no operation; there are {known}", {"known": ", ".join(known)}
        )
    return name


Text = Annotated[str, Field(max_length=MAX_CHARACTERS), AfterValidator(check_characters)]
OperationName = Annotated[
    str,
    Field(max_length=40, json_schema_extra={"enum": list(text_operations())}),
    AfterValidator(_check_operation),
]
Language = Annotated[
    str,
    Field(
        pattern=r"^[a-z]{2,3}$",
        description="ISO 639 code of all texts; left out: it is detected for each.",
        examples=["en"],
    ),
]


class _TextBody(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    language: Language | None = None
    stream: bool = False
    user: EndUser | None = None


class AnalyzeTextRequest(_TextBody):
    """Body of `POST /api/v1/text/analyze`: a `text`, or up to 64 `texts`.

    `options` are by operation: `classification` needs `labels`, or the name of one of the tenant's
    classifiers; `pii` takes `kinds`. docs/guides/text.md has them all.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "text": "Our rooftop bar opens on Friday! Book at hello@example.com #coffee",
                "operations": ["statistics", "language", "readability", "pii", "hashtags"],
            }
        }
    )

    text: Text | None = None
    texts: Annotated[list[Text], Field(min_length=1, max_length=MAX_TEXTS)] | None = None
    operations: Annotated[
        list[OperationName],
        Field(
            min_length=1,
            max_length=20,
            description="Left out: every one that needs no options.",
        ),
    ] = list(default_operations())
    options: Annotated[dict[OperationName, dict[str, Any]], Field(description="By operation.")] = {}

    @model_validator(mode="after")
    def _has_one_form(self) -> Self:
        if (self.text is None) == (self.texts is None):
            raise PydanticCustomError("text", "needs one of 'text' and 'texts'")
        unused = sorted(self.options.keys() - set(self.operations))
        if unused:
            raise PydanticCustomError(
                "options", "has options of '{name}', which is not asked for", {"name": unused[0]}
            )
        return self

    def all_texts(self) -> tuple[str, ...]:
        return (self.text,) if self.text is not None else tuple(self.texts or ())


class _WritingBody(_TextBody):
    text: Annotated[Text, Field(min_length=1)]
    model: Annotated[
        str | None,
        Field(
            max_length=100,
            description="A provider, or a name of a model; left out: the tenant's default model, "
            "or the default provider.",
        ),
    ] = None


class SummarizeTextRequest(_WritingBody):
    """Body of `POST /api/v1/text/summarize`.

    `extractive` gives the sentences that stand for the whole, word for word. `model` lets a text
    model write, and is answered with the extractive summary if the model names what the text does
    not.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "example": {"text": "Our bar opens on Friday. It has coffee. Bring friends."}
        }
    )

    method: Literal["extractive", "model"] = "extractive"
    sentences: Annotated[int, Field(ge=1, le=MAX_SENTENCES)] = 3
    max_characters: Annotated[int, Field(ge=20, le=MAX_CHARACTERS)] | None = None


class RewriteTextRequest(_WritingBody):
    """Body of `POST /api/v1/text/rewrite`.

    `extractive` shortens the text to its most central sentences, at most `max_characters`. `model`
    lets a text model rewrite it as `instruction`, `style` and `tone` say; an answer that names what
    the text does not is not given.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "example": {"text": "We are opening on Friday, come by.", "tone": "enthusiastic"}
        }
    )

    method: Literal["extractive", "model"] = "model"
    instruction: Annotated[Text, Field(max_length=500)] = ""
    style: Annotated[str, Field(min_length=1, max_length=60)] = "casual"
    tone: Annotated[str, Field(min_length=1, max_length=60)] = "friendly"
    max_characters: Annotated[int, Field(ge=20, le=MAX_CHARACTERS)] | None = None


class TranslateTextRequest(_WritingBody):
    """Body of `POST /api/v1/text/translate`: by a text model that the operator has configured; the
    shipped nano writes English only and answers 501. Numbers, addresses and handles of the
    translation are checked against the text."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"text": "We open on Friday.", "to": "de", "model": "qwen"}}
    )

    to: Annotated[str, Field(pattern=r"^[a-z]{2,3}(-[A-Z]{2})?$", examples=["de"])]


class SpanOfText(ApiResponse):
    """From `start` up to `end`, in code points of the text, and these characters."""

    start: int
    end: int
    text: str
    kind: str | None = None
    score: float | None = None


class OperationAnswer(ApiResponse):
    """What one operation says of one text; not `supported`: why, and what to install."""

    supported: bool
    by: str
    value: Any = None
    confidence: float | None = None
    reasons: list[str] | None = None
    spans: list[SpanOfText] | None = None
    reason: str | None = None
    install: str | None = None


class AnalyzedItem(ApiResponse):
    index: int
    results: dict[str, OperationAnswer]


class CharacterUsage(ApiResponse):
    """Characters are code points of the texts."""

    characters: int


class AnalyzeTextResponse(ApiResponse):
    """`results` by operation for one `text`; `items` for `texts`, in their order."""

    id: str
    object: Literal["text.analysis"]
    created: int
    results: dict[str, OperationAnswer] | None = None
    items: list[AnalyzedItem] | None = None
    usage: CharacterUsage


class WritingFallback(ApiResponse):
    """Why the model's answer is not given: `ungrounded` are parts of it that the text does not
    have."""

    reason: str
    ungrounded: list[SpanOfText]


class TextWritingResponse(ApiResponse):
    """`method` is what `text` was made by: the requested one, or `extractive` with a `fallback`.
    `text` null: none could be given. `spans` are the parts of the source that were taken."""

    id: str
    object: Literal["text.summary", "text.rewriting", "text.translation"]
    created: int
    text: str | None
    method: Literal["extractive", "model"]
    by: str
    fallback: WritingFallback | None
    spans: list[SpanOfText]
    usage: TokenUsage
    characters: int
