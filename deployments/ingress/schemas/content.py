"""What callers send for captions and posts, and what they get.

Names of platforms, styles, tones and models are checked against their registries by the content
stage, which says what there is; here only shapes and sizes are.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from deployments.contracts.images import MAX_IMAGES, ImageSource
from deployments.ingress.schemas.answers import TokenUsage
from deployments.ingress.schemas.chat_messages import ImageUrl
from deployments.ingress.schemas.sources import CitationResponse, CollectionName, DocumentIds
from deployments.ingress.schemas.template_use import TemplateUse

MAX_VARIANTS = 10
MAX_ITEMS = 100
MAX_TOPIC_CHARS = 500
MAX_DRAFT_CHARS = 10_000

Name = Annotated[str, Field(min_length=1, max_length=60)]
EndUser = Annotated[
    str, Field(max_length=512, description="Your own user for whom this is: for limits and usage.")
]

Save = Annotated[
    bool,
    Field(
        description="Save the best variant as a draft in the library, the others as candidates for "
        "its text. Needs the scope `library:write`."
    ),
]

SaveAll = Annotated[
    bool,
    Field(
        description="Save the best variant of each item as a draft in the library, the others as "
        "candidates for its text: all items, or none. Needs the scope `library:write`."
    ),
]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class BriefBody(_Strict):
    """What captions and posts share."""

    template: Annotated[
        TemplateUse | None, Field(description="A template whose text becomes the topic.")
    ] = None
    style: Annotated[Name, Field(description="A name from the styles registry.")] = "casual"
    tone: Annotated[Name, Field(description="A name from the tones registry.")] = "friendly"
    language: Annotated[Name, Field(description="The language to write in.")] = "English"
    audience: Annotated[str, Field(max_length=200)] | None = None
    keywords: Annotated[list[Name], Field(max_length=10)] = []
    hashtags: Annotated[
        int,
        Field(
            ge=0,
            le=30,
            description="Exactly this many, 0 for none. Left out: 3, or as many as the platform "
            "takes where that is less.",
        ),
    ] = 3
    emoji: bool = True
    call_to_action: bool = False
    variants: Annotated[int, Field(ge=1, le=MAX_VARIANTS)] = 1
    seed: Annotated[int, Field(ge=0, lt=2**31)] | None = None
    model: Annotated[
        str | None,
        Field(
            max_length=100,
            description="A provider, or a name of a model; left out: the tenant's default model, "
            "or the default provider.",
        ),
    ] = None
    output_schema: Annotated[
        dict[str, Any] | None,
        Field(description="A JSON Schema of an object: variants then carry these `fields`."),
    ] = None
    images: Annotated[
        list[ImageUrl],
        Field(
            max_length=MAX_IMAGES,
            description="Pictures to write about, for models that take some; then the topic may be "
            "left out.",
        ),
    ] = []

    documents: Annotated[
        DocumentIds | None,
        Field(description="Write from what these documents say, and cite them."),
    ] = None
    collection: Annotated[
        CollectionName | None, Field(description="Write from the documents of this collection.")
    ] = None

    @property
    def has_sources(self) -> bool:
        return self.documents is not None or self.collection is not None

    def image_sources(self, param: str = "images") -> tuple[ImageSource, ...]:
        """Raises InvalidRequest and ImageRefused; `param` is where they stand in the body."""
        return tuple([image.source(f"{param}.{index}") for index, image in enumerate(self.images)])


def _topic(topic: str | None, info: ValidationInfo) -> str | None:
    if topic is not None and info.data.get("template") is not None:
        raise ValueError("the template makes the topic")
    return topic


class CaptionItem(BriefBody):
    """One brief of a caption batch."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "platform": "instagram",
                "topic": "a rooftop coffee bar",
                "style": "playful",
                "tone": "friendly",
                "hashtags": 3,
                "variants": 3,
            }
        }
    )

    topic: Annotated[
        Annotated[str, Field(min_length=1, max_length=MAX_TOPIC_CHARS)] | None,
        Field(validate_default=True, description="Needed, unless there are a template or images."),
    ] = None
    platform: Name = "instagram"
    length: Literal["short", "medium", "long"] = "short"

    @field_validator("topic")
    @classmethod
    def _is_topic_or_template(cls, topic: str | None, info: ValidationInfo) -> str | None:
        data = info.data
        if topic is None and data.get("template") is None and not data.get("images"):
            raise PydanticCustomError("missing", "Field required")
        return _topic(topic, info)


class CaptionRequest(CaptionItem):
    """Body of `POST /api/v1/captions`."""

    stream: bool = False
    save: Save = False
    user: EndUser | None = None


class PostItem(BriefBody):
    """One brief of a post batch: a topic to write about, or a draft to rewrite."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "platform": "linkedin",
                "topic": "our first year of remote work",
                "style": "professional",
                "length": "medium",
                "variants": 2,
            }
        }
    )

    topic: Annotated[str, Field(max_length=MAX_TOPIC_CHARS)] | None = None
    draft: Annotated[str, Field(min_length=1, max_length=MAX_DRAFT_CHARS)] | None = None
    platform: Name = "linkedin"
    length: Literal["short", "medium", "long"] = "medium"

    @field_validator("topic")
    @classmethod
    def _is_topic_or_template(cls, topic: str | None, info: ValidationInfo) -> str | None:
        return _topic(topic, info)

    @model_validator(mode="after")
    def _says_what_to_write(self) -> Self:
        if not (self.topic or self.draft or self.template or self.images):
            raise ValueError("give a topic, images, or a draft to rewrite")
        return self


class PostRequest(PostItem):
    """Body of `POST /api/v1/posts`."""

    stream: bool = False
    save: Save = False
    user: EndUser | None = None


class CaptionBatchRequest(_Strict):
    """Body of `POST /api/v1/captions/batch`."""

    items: Annotated[list[CaptionItem], Field(min_length=1, max_length=MAX_ITEMS)]
    stream: bool = False
    save: SaveAll = False
    user: EndUser | None = None


class PostBatchRequest(_Strict):
    """Body of `POST /api/v1/posts/batch`."""

    items: Annotated[list[PostItem], Field(min_length=1, max_length=MAX_ITEMS)]
    stream: bool = False
    save: SaveAll = False
    user: EndUser | None = None


class Subscore(BaseModel):
    """One aspect of a variant: 0 (bad) to 1 (good), its share of the score, and why."""

    score: float
    weight: float
    reason: str


class VariantResponse(BaseModel):
    """One text, ready to publish; `text` is `body` with its hashtags. With an `output_schema`,
    `fields` is the object by it as the model wrote it, and `text` that of all its fields.
    """

    index: int
    text: str
    body: str
    hashtags: list[str]
    characters: int
    score: float
    subscores: dict[str, Subscore]
    finish_reason: Literal["stop", "length"]
    truncated: bool
    citations: Annotated[
        list[CitationResponse] | None,
        Field(description="Quotes that say what the text says, where it has documents as source."),
    ] = None
    fields: dict[str, Any] | None = None


class _ContentResponse(BaseModel):
    id: str
    created: int
    model: str
    prompt_version: str
    platform: str
    variants: Annotated[list[VariantResponse], Field(description="Best first.")]
    duplicates: Annotated[
        list[int], Field(description="Variants left out as near copies of a better one.")
    ]
    failures: Annotated[
        list[dict[str, Any]], Field(description="Variants that the model could not write.")
    ]
    usage: TokenUsage
    post_id: Annotated[
        str | None, Field(description="The saved post, where `save` asked for one.")
    ] = None


class CaptionResponse(_ContentResponse):
    """Answer of `POST /api/v1/captions`."""

    object: Literal["captions"]


class PostResponse(_ContentResponse):
    """Answer of `POST /api/v1/posts`."""

    object: Literal["posts"]


class BatchResult(BaseModel):
    """An item's answer, or the problem that it ended in."""

    index: int
    status: Literal["ok", "failed"]
    result: dict[str, Any] | None = None
    error: dict[str, Any] | None = None


class BatchResponse(BaseModel):
    """Answer of the batch routes; results stand in the order of the items."""

    id: str
    object: Literal["captions.batch", "posts.batch"]
    created: int
    succeeded: int
    failed: int
    results: list[BatchResult]
    usage: TokenUsage
