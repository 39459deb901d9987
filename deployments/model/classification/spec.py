"""The settings of one classifier.

In: a mapping from serve_config.yaml. Out: a frozen `ClassifierSpec`.
"""

from typing import Annotated, Literal

from pydantic import Field

from deployments.model.encoders.spec import EncoderSpec

Name = Annotated[str, Field(min_length=1, max_length=100)]


class ClassifierSpec(EncoderSpec):
    """One sequence classification model and how it runs."""

    task: Literal["rerank", "moderation"] = Field(
        default="rerank",
        description="rerank: a cross-encoder, whose one output says how relevant a document is to "
        "a query. moderation: its labels are, or are mapped to, categories of harm.",
    )
    source: str = Field(
        min_length=1,
        description="A local folder, or the Hugging Face id of a sequence classification model.",
    )
    categories: dict[Name, Name] = Field(
        default={},
        description="moderation: the category that each label of the model means. A label that is "
        "not listed counts if it is the name of one of OpenAI's categories, else not at all.",
    )
    threshold: float = Field(
        default=0.5, gt=0, le=1, description="moderation: the score from which a text is flagged."
    )
