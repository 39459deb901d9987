"""What OpenAI clients may send to `/v1/moderations`, and the shape of the answer."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from cluster.runtime.problems import InvalidRequest, UnsupportedParameter
from deployments.ingress.schemas.embeddings import ApiResponse

MAX_TEXTS = 256
MAX_CHARS = 131_072  # of all texts together


class ModeratedPart(BaseModel):
    """A piece of an input of several kinds; only text is judged."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    type: Literal["text", "image_url"]
    text: str | None = None
    image_url: dict[str, Any] | None = None


class ModerationRequest(BaseModel):
    """Body of `POST /v1/moderations`.

    `input` is a text, a list of texts, or parts of one input. `model` is `rules`, a moderation
    model of the configuration, or one of OpenAI's names, which mean the configured default.
    """

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        json_schema_extra={"example": {"input": ["A rooftop coffee bar opens on Friday"]}},
    )

    model: Annotated[str, Field(min_length=1, max_length=100, examples=["rules"])] | None = None
    input: (
        str
        | Annotated[list[str], Field(min_length=1, max_length=MAX_TEXTS)]
        | Annotated[list[ModeratedPart], Field(min_length=1, max_length=MAX_TEXTS)]
    )

    def texts(self) -> tuple[str, ...]:
        """Raises InvalidRequest for an empty text or too many characters, UnsupportedParameter for
        an image."""
        given = [self.input] if isinstance(self.input, str) else self.input
        texts = tuple(text for text in given if isinstance(text, str))
        if not texts:
            texts = (self._joined_parts(),)
        for index, text in enumerate(texts):
            if not text:
                where = "input" if isinstance(self.input, str) else f"input.{index}"
                raise InvalidRequest(f"{where} is empty.", param=where)
        size = sum(map(len, texts))
        if size > MAX_CHARS:
            raise InvalidRequest(
                f"input has {size} characters; at most {MAX_CHARS} are judged at once.",
                param="input",
                limit=MAX_CHARS,
            )
        return texts

    def _joined_parts(self) -> str:
        texts: list[str] = []
        for index, part in enumerate(self.input):
            if not isinstance(part, ModeratedPart):
                continue
            if part.type != "text":
                raise UnsupportedParameter(f"input.{index}", "only text is judged.")
            texts.append(part.text or "")
        return "\n".join(texts)


class ModerationResult(ApiResponse):
    """`category_scores` are from 0 to 1; a category is flagged from a threshold on."""

    flagged: bool
    categories: dict[str, bool]
    category_scores: dict[str, float]
    category_applied_input_types: dict[str, list[str]]


class ModerationResponse(ApiResponse):
    """Answer of `POST /v1/moderations`: one result for each text. `model` is who has judged."""

    id: str
    model: str
    results: list[ModerationResult]
