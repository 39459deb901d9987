"""The brief: the requirements of one caption or post, as one frozen value.

In: fields from a route, a handle call or a job. Out: a `Brief` that prompts, clean-up and scoring
share.
"""

from dataclasses import dataclass
from typing import Literal

Length = Literal["short", "medium", "long"]
Kind = Literal["caption", "post"]


@dataclass(frozen=True, slots=True)
class Brief:
    """The text to write; `draft` set means: rewrite this text (the topic may then be empty).

    `pictures` is the number of pictures that come with it; with some the topic may be empty.
    `sources` are passages that the text is to be written from: it takes its facts from them alone.
    `hashtags` is the exact number (0 means none). `emoji` and `call_to_action` say whether
    the text has them.
    """

    topic: str
    platform: str = "instagram"
    style: str = "casual"
    tone: str = "friendly"
    length: Length = "short"
    kind: Kind = "caption"
    draft: str | None = None
    audience: str | None = None
    keywords: tuple[str, ...] = ()
    hashtags: int = 3
    emoji: bool = True
    call_to_action: bool = False
    language: str = "English"
    pictures: int = 0
    sources: tuple[str, ...] = ()
