"""OpenAI's filters and ranking options of searches in vector stores, as callers send them."""

from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator

from cluster.runtime.numbers import FLOAT32
from deployments.ingress.schemas.lenient import LenientPart

MAX_STORES = 10
MAX_FOUND = 50  # passages of a search
MAX_FILTERS = 64  # of one compound filter
MAX_DEPTH = 6  # of compound filters
MAX_VALUES = 100  # of `in` and `nin`

StoreId = Annotated[str, Field(max_length=64, pattern=r"^[0-9A-Za-z_-]+$")]
AttributeName = Annotated[str, Field(min_length=1, max_length=64)]
Number = Annotated[float, Field(allow_inf_nan=False), FLOAT32]
Word = Annotated[str, Field(max_length=512)]
AttributeScalar = Word | bool | Number
AttributeScalars = Annotated[list[AttributeScalar], Field(min_length=1, max_length=MAX_VALUES)]
MaxFound = Annotated[int, Field(ge=1, le=MAX_FOUND)]


class ComparisonFilter(LenientPart):
    """Files whose attribute `key` compares with `value` so."""

    type: Literal["eq", "ne", "gt", "gte", "lt", "lte", "in", "nin"]
    key: AttributeName
    value: AttributeScalar | AttributeScalars

    @model_validator(mode="after")
    def _compares(self) -> Self:
        if isinstance(self.value, list) != (self.type in ("in", "nin")):
            raise ValueError(f"value: '{self.type}' takes no such value")
        if self.type in ("gt", "gte", "lt", "lte") and isinstance(self.value, bool):
            raise ValueError(f"value: '{self.type}' compares numbers or texts")
        return self


class CompoundFilter(LenientPart):
    """All of the filters, or one of them."""

    type: Literal["and", "or"]
    filters: Annotated[list["AttributeFilter"], Field(min_length=1, max_length=MAX_FILTERS)]

    @model_validator(mode="after")
    def _is_bounded(self) -> Self:
        if self.depth > MAX_DEPTH:
            raise ValueError(f"filters: over {MAX_DEPTH} compound filters in each other")
        return self

    @property
    def depth(self) -> int:
        inner = [each.depth for each in self.filters if isinstance(each, CompoundFilter)]
        return 1 + max(inner, default=0)


def _filter_kind(value: Any) -> str:
    kind = value.get("type") if isinstance(value, dict) else getattr(value, "type", None)
    return "compound" if kind in ("and", "or") else "comparison"


AttributeFilter = Annotated[
    Annotated[ComparisonFilter, Tag("comparison")] | Annotated[CompoundFilter, Tag("compound")],
    Discriminator(_filter_kind),
]
CompoundFilter.model_rebuild()


class HybridWeights(LenientPart):
    """What the meaning and the words of a passage count for its score."""

    embedding_weight: Annotated[float, Field(ge=0, le=1_000, allow_inf_nan=False), FLOAT32]
    text_weight: Annotated[float, Field(ge=0, le=1_000, allow_inf_nan=False), FLOAT32]

    @model_validator(mode="after")
    def _weighs(self) -> Self:
        if self.embedding_weight + self.text_weight == 0:
            raise ValueError("text_weight: one of the weights must be over 0")
        return self


class RankingOptions(LenientPart):
    """Passages below `score_threshold` are left out. There is one ranker; its name changes
    nothing."""

    ranker: Annotated[str, Field(max_length=64)] | None = None
    score_threshold: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False), FLOAT32] | None = None
    hybrid_search: HybridWeights | None = None

    @property
    def alpha(self) -> float:
        """The part of the meaning in the score."""
        weights = self.hybrid_search
        if weights is None:
            return 0.5
        return weights.embedding_weight / (weights.embedding_weight + weights.text_weight)
