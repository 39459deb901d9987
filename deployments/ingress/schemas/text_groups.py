"""What callers send for the grouping of texts, and what they get."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from cluster.runtime.numbers import FLOAT32
from deployments.contracts.text_analysis import MAX_CHARACTERS
from deployments.ingress.schemas.content import EndUser
from deployments.ingress.schemas.embeddings import ApiResponse
from deployments.ingress.schemas.text import CharacterUsage, Language, Text
from deployments.text.topics import ALIKE, MAX_GROUPED


class GroupTextsRequest(BaseModel):
    """Body of `POST /api/v1/text/groups`: at most 100,000 characters together. `alike` is the mean
    cosine from which two groups become one: more makes more and smaller groups."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        json_schema_extra={
            "example": {
                "texts": [
                    "New espresso machine at the cafe",
                    "Our cafe has a new espresso",
                    "Marathon training on Sunday",
                ]
            }
        },
    )

    texts: Annotated[list[Text], Field(min_length=2, max_length=MAX_GROUPED)]
    alike: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False), FLOAT32] = ALIKE
    language: Language | None = None
    user: EndUser | None = None

    @model_validator(mode="after")
    def _check_size(self) -> Self:
        if sum(map(len, self.texts)) > MAX_CHARACTERS:
            raise PydanticCustomError(
                "texts", "have over {most} characters together", {"most": MAX_CHARACTERS}
            )
        return self


class TextGroupAnswer(ApiResponse):
    """`texts` are places in the list that was sent; `words` name the group; `cohesion` is the mean
    cosine of two of its texts."""

    texts: list[int]
    words: list[str]
    cohesion: float


class GroupTextsResponse(ApiResponse):
    """Groups, the largest first."""

    id: str
    object: Literal["text.groups"]
    created: int
    supported: bool
    reason: str | None
    groups: list[TextGroupAnswer]
    by: str
    usage: CharacterUsage
