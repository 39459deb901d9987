"""What callers send to have a draft optimised, and what they get."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from deployments.content.optimization.task import (
    GOALS,
    KEEPABLE,
    MAX_CHARACTERS,
    MAX_KEYWORDS,
    MAX_PHRASES,
    MAX_VARIANTS,
    Goal,
    Keepable,
)
from deployments.ingress.schemas.answers import TokenUsage
from deployments.ingress.schemas.content import EndUser, Name
from deployments.ingress.schemas.embeddings import ApiResponse
from deployments.ingress.schemas.text import Language, check_characters

Draft = Annotated[
    str, Field(min_length=1, max_length=MAX_CHARACTERS), AfterValidator(check_characters)
]
Phrase = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(check_characters)]


class OptimizePostRequest(BaseModel):
    """Body of `POST /api/v1/posts/optimize`.

    `keep` names what no edit may lose; `phrases` are words of your own that have to stay.
    `keywords` are to be in the text. `rewrite` says who edits: rules, a text model, or both.
    """

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        json_schema_extra={
            "example": {
                "text": "We open our roastery on Saturday. 20% off all beans until noon!",
                "platform": "instagram",
                "keywords": ["specialty coffee"],
                "phrases": ["our roastery"],
            }
        },
    )

    text: Draft
    platform: Name = "instagram"
    goals: Annotated[list[Goal], Field(min_length=1, max_length=len(GOALS))] = list(GOALS)
    keep: Annotated[list[Keepable], Field(max_length=len(KEEPABLE))] = list(KEEPABLE)
    phrases: Annotated[list[Phrase], Field(max_length=MAX_PHRASES)] = []
    keywords: Annotated[list[Name], Field(max_length=MAX_KEYWORDS)] = []
    variants: Annotated[int, Field(ge=1, le=MAX_VARIANTS)] = 1
    rewrite: Literal["rules", "model", "both"] = "rules"
    model: Annotated[
        str | None,
        Field(
            max_length=100,
            description="A provider, or a name of a model that rewrites; left out: the tenant's "
            "default model, or the default provider.",
        ),
    ] = None
    seed: Annotated[int, Field(ge=0, lt=2**31)] | None = None
    language: Language | None = None
    stream: bool = False
    user: EndUser | None = None

    @model_validator(mode="after")
    def _has_effect(self) -> Self:
        if self.phrases and "phrases" not in self.keep:
            raise PydanticCustomError("keep", "has to name 'phrases' for 'phrases' to be kept")
        if self.rewrite == "rules" and (self.model is not None or self.seed is not None):
            raise PydanticCustomError("rewrite", "is 'rules': no model is asked")
        return self


class GoalAnswer(ApiResponse):
    """How a text does by a goal, from 0 to 1, before and after; not `supported`: why it cannot be
    judged. `basis` of engagement, a number to rank texts by, which promises nothing: `prior`, or
    `outcomes` of your own posts, with the rank correlation that the model reached with the latest
    fifth of them (`spearman`)."""

    supported: bool
    by: str
    before: float | None = None
    after: float | None = None
    delta: float | None = None
    reason_before: str | None = None
    reason_after: str | None = None
    reason: str | None = None
    basis: Literal["prior", "outcomes"] | None = None
    spearman: float | None = None
    outcomes: int | None = None


class EditAnswer(ApiResponse):
    """One edit, in the text that the edits before it have left: at `start` (code points), `before`
    was replaced by `after`. `gains` by goal."""

    rule: str
    reason: str
    start: int
    before: str
    after: str
    gains: dict[str, float]


class DifferenceSide(ApiResponse):
    start: int
    end: int
    text: str


class DifferenceAnswer(ApiResponse):
    """A part of the draft, and what is in its place; in code points of each."""

    before: DifferenceSide
    after: DifferenceSide


class OptimizedVariant(ApiResponse):
    """`goal` is what a model was told."""

    text: str
    characters: int
    by: Literal["rules", "model"]
    goal: Goal | None
    goals: dict[str, GoalAnswer]
    why: list[EditAnswer]
    diff: list[DifferenceAnswer]


class RefusedRewrite(ApiResponse):
    """What a model wrote for a goal and why it is not offered, or why it wrote nothing."""

    goal: Goal
    reason: str


class OptimizePostResponse(ApiResponse):
    """`text` is the best variant's, or the draft where nothing helps, as `reason` says."""

    id: str
    object: Literal["post.optimization"]
    created: int
    by: str
    platform: str
    language: str | None
    model: str | None
    text: str
    is_changed: bool
    reason: str | None
    goals: dict[str, GoalAnswer]
    variants: Annotated[list[OptimizedVariant], Field(description="Best first.")]
    refused_rewrites: list[RefusedRewrite]
    missing_phrases: Annotated[
        list[str], Field(description="Phrases to keep that the draft does not have.")
    ]
    usage: TokenUsage
    characters: int
