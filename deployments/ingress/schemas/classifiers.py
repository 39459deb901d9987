"""What callers send and get about text classifiers."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from cluster.classifiers.model import ClassifierId
from cluster.runtime.problems import InvalidRequest
from deployments.contracts.text_analysis import MAX_CHARACTERS
from deployments.ingress.schemas.admin import PageQuery, PageResponse, Strict, example
from deployments.ingress.schemas.embeddings import ApiResponse
from deployments.ingress.schemas.text import Text
from deployments.text.classifier_options import MAX_EXAMPLE, MAX_LABEL, check_examples

Label = Annotated[str, Field(min_length=1, max_length=MAX_LABEL, pattern=r"^[^\x00-\x1f\x7f]+$")]
Example = Annotated[Text, Field(min_length=1, max_length=MAX_EXAMPLE)]
Description = Annotated[str, Field(max_length=500, pattern=r"^[^\x00]*$")]

_EXAMPLES = {
    "question": [
        "When do you open?",
        "How much is the large one?",
        "Do you ship to Norway?",
        "Is there parking?",
        "Can I bring my dog?",
    ],
    "complaint": [
        "My order never came.",
        "The soup was cold.",
        "Nobody answers your phone.",
        "I was charged twice.",
        "The zip broke on the first day.",
    ],
}


class ClassifierTrainingBody(Strict):
    """Body of `PUT /api/v1/text/classifiers/{classifier}`: 2 to 32 labels, each with 5 to 100
    examples; at most 1,000 examples and 100,000 characters together."""

    model_config = example(examples=_EXAMPLES)

    examples: Annotated[dict[Label, list[Example]], Field(description="Texts by label.")]
    description: Description | None = None

    @model_validator(mode="after")
    def _check_examples(self) -> Self:
        try:
            check_examples(self.examples, "examples")
        except InvalidRequest as problem:
            raise ValueError(problem.detail) from None
        if sum(len(text) for texts in self.examples.values() for text in texts) > MAX_CHARACTERS:
            raise ValueError(f"examples: have over {MAX_CHARACTERS} characters together")
        return self


class ClassifierCreate(ClassifierTrainingBody):
    """Body of `POST /api/v1/text/classifiers`."""

    model_config = example(id="inbox", examples=_EXAMPLES)

    id: ClassifierId


class ClassifierQuery(PageQuery):
    """Classifiers by id."""


class ClassifierResponse(ApiResponse):
    """`version` grows with each training. `examples` is how many it was trained with; they are not
    stored."""

    id: str
    description: str
    version: int
    labels: list[str]
    examples: int
    created: float
    updated: float


class ClassifierPage(PageResponse):
    data: list[ClassifierResponse]
