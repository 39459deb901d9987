"""What OpenAI clients may send to `/v1/embeddings`, and the shape of the answer."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from cluster.runtime.problems import InvalidRequest
from deployments.ingress.names.spec import DEFAULT
from deployments.ingress.schemas.lenient import RequestedModel

MAX_INPUTS = 2048

Texts = Annotated[list[str], Field(min_length=1, max_length=MAX_INPUTS)]
TokenId = Annotated[int, Field(ge=0, lt=2**31)]
TokenIds = Annotated[list[TokenId], Field(min_length=1)]
TokenLists = Annotated[list[TokenIds], Field(min_length=1, max_length=MAX_INPUTS)]


class EmbeddingsRequest(BaseModel):
    """Body of `POST /v1/embeddings`.

    `input` is a text, a list of texts, or token ids of the model's own tokenizer (as `/tokenize`
    gives them), one list or several. `input_type` (`query`, `document`, `search_query`, `passage`
    ...) selects the prompt that the model has for it; a model without one ignores it, and nothing
    is put before token ids.
    """

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        json_schema_extra={"example": {"model": "minilm", "input": ["a rooftop coffee bar"]}},
    )

    model: RequestedModel = DEFAULT
    input: str | Texts | TokenIds | TokenLists
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: Annotated[int, Field(ge=1, le=65_536)] | None = None
    input_type: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    user: Annotated[str, Field(max_length=512)] | None = None

    def texts(self) -> tuple[str, ...]:
        """Empty where token ids were sent. Raises InvalidRequest for an empty text."""
        given = [self.input] if isinstance(self.input, str) else self.input
        texts = tuple(text for text in given if isinstance(text, str))
        for index, text in enumerate(texts):
            if not text:
                where = "input" if isinstance(self.input, str) else f"input.{index}"
                raise InvalidRequest(f"{where} is empty.", param=where)
        return texts

    def token_ids(self) -> tuple[tuple[int, ...], ...]:
        """Empty where texts were sent."""
        if isinstance(self.input, str):
            return ()
        single = tuple(token for token in self.input if isinstance(token, int))
        lists = tuple(tuple(ids) for ids in self.input if isinstance(ids, list))
        return (single,) if single else lists


class ApiResponse(BaseModel):
    """The base of responses: their fields are all listed."""

    model_config = ConfigDict(extra="forbid")


class Embedding(ApiResponse):
    """`embedding` is a list of numbers, or base64 of little-endian float32."""

    object: Literal["embedding"]
    index: int
    embedding: list[float] | str


class EmbeddingUsage(ApiResponse):
    """Tokens as the model's own tokenizer counts them."""

    prompt_tokens: int
    total_tokens: int


class EmbeddingList(ApiResponse):
    """Answer of `POST /v1/embeddings`."""

    object: Literal["list"]
    data: list[Embedding]
    model: str
    usage: EmbeddingUsage
