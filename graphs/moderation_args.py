"""Who judges texts."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from deployments.contracts.moderation import DEFAULT_THRESHOLD, RULES
from graphs.graph_args import GraphArgs
from graphs.model_args import ModerationModelArgs


class ModerationRule(GraphArgs):
    """A pattern of words (deployments/content/moderation/patterns.py) and the score of a text that
    has it."""

    pattern: Annotated[str, Field(min_length=1, max_length=500)]
    score: Annotated[float, Field(gt=0, le=1)] = 0.9


class ModerationArgs(GraphArgs):
    """Who judges texts at `/v1/moderations`.

    `default` is `rules` or the id of one of `models`. `rules` are patterns by category, beside the
    built-in ones where `builtin`. `threshold` is the score from which they flag a category.
    """

    default: str = RULES
    builtin: bool = True
    rules: dict[
        Annotated[str, Field(min_length=1, max_length=100)],
        tuple[Annotated[str, Field(min_length=1, max_length=500)] | ModerationRule, ...],
    ] = {}
    threshold: Annotated[float, Field(gt=0, le=1)] = DEFAULT_THRESHOLD
    models: tuple[ModerationModelArgs, ...] = ()

    @model_validator(mode="after")
    def _check_default(self) -> Self:
        ids = [RULES, *(model.id for model in self.models)]
        if self.default not in ids:
            raise ValueError(f"moderation.default: '{self.default}' is not one of {', '.join(ids)}")
        return self
