"""What OpenAI clients may send to `/v1/embeddings`, and the shape of the answer."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from cluster.runtime.problems import InvalidRequest, UnsupportedParameter

MAX_INPUTS = 2048

Texts = Annotated[list[str], Field(min_length=1, max_length=MAX_INPUTS)]
TokenId = Annotated[int, Field(ge=0, lt=2**31)]
Tokens = Annotated[list[TokenId] | list[list[TokenId]], Field(min_length=1)]


class EmbeddingsRequest(BaseModel):
    """Body of `POST /v1/embeddings`."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        json_schema_extra={"example": {"model": "minilm", "input": ["a rooftop coffee bar"]}},
    )

    model: Annotated[str, Field(min_length=1, max_length=100, examples=["minilm"])]
    input: str | Texts | Tokens
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: Annotated[int, Field(ge=1, le=65_536)] | None = None
    user: Annotated[str, Field(max_length=512)] | None = None

    def texts(self) -> tuple[str, ...]:
        """Raises UnsupportedParameter for token ids, InvalidRequest for an empty text."""
        given = [self.input] if isinstance(self.input, str) else self.input
        texts = tuple(text for text in given if isinstance(text, str))
        if len(texts) < len(given):
            raise UnsupportedParameter("input", "token ids belong to one tokenizer; send text.")
        for index, text in enumerate(texts):
            if not text:
                where = "input" if isinstance(self.input, str) else f"input.{index}"
                raise InvalidRequest(f"{where} is empty.", param=where)
        return texts


class _Response(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Embedding(_Response):
    """`embedding` is a list of numbers, or base64 of little-endian float32."""

    object: Literal["embedding"]
    index: int
    embedding: list[float] | str


class EmbeddingUsage(_Response):
    """Tokens as the model's own tokenizer counts them."""

    prompt_tokens: int
    total_tokens: int


class EmbeddingList(_Response):
    """Answer of `POST /v1/embeddings`."""

    object: Literal["list"]
    data: list[Embedding]
    model: str
    usage: EmbeddingUsage
