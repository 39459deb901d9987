"""Which post becomes of generated variants."""

from typing import Any, cast

from cluster.administration import Administration
from cluster.library.model import PostDraft, VersionOrigin
from cluster.tenants.caller import Caller, Scope
from deployments.ingress.context import AdmittedRequest
from deployments.ingress.operations.content_saver import ContentSaver
from deployments.ingress.schemas.content import CaptionRequest


class Library:
    """Keeps the drafts that are created."""

    def __init__(self) -> None:
        self.drafts: list[PostDraft] = []

    async def create(self, actor: object, tenant: str, draft: PostDraft, store: object) -> Any:
        self.drafts.append(draft)
        return type("Post", (), {"id": "post_1"})


class Request:
    """As much of an admitted request as saving takes."""

    caller = Caller("acme", "key", frozenset({Scope.LIBRARY_WRITE}))
    request_id = "req_1"
    store_response = None


def variant(text: str, score: float) -> dict[str, Any]:
    return {"text": text, "score": score, "subscores": {"length": {"score": score}}}


async def test_the_best_variant_is_the_text_and_the_others_are_candidates() -> None:
    library = Library()
    saver = ContentSaver(cast(Administration, type("Office", (), {"library": library})))
    body = CaptionRequest(topic="tea\x00 \n room" + "s" * 400, language="German", save=True)
    answer = {
        "object": "captions",
        "model": "words",
        "platform": "x",
        "variants": [variant("best\x00", 0.9), variant("second", 0.4)],
    }

    saved = await saver.save(cast(AdmittedRequest, Request()), body, answer)

    assert saved == {**answer, "post_id": "post_1"}
    [draft] = library.drafts
    assert (draft.text.body, draft.scores) == (
        "best", {"score": 0.9, "subscores": {"length": {"score": 0.9}}},
    )  # fmt: skip
    assert [(text.body, scores["score"]) for text, scores in draft.variants] == [("second", 0.4)]
    assert draft.text.title.startswith("tea rooms")
    assert len(draft.text.title) == 300
    assert (draft.platform, draft.language, draft.origin) == (
        "x",
        "German",
        VersionOrigin.GENERATED,
    )
    assert draft.note == "captions by words"


async def test_nothing_is_saved_unless_it_is_asked_for() -> None:
    answer: dict[str, Any] = {"variants": []}
    body = CaptionRequest(topic="tea")

    assert await ContentSaver(None).save(cast(AdmittedRequest, Request()), body, answer) is answer
    await ContentSaver(None).check(cast(AdmittedRequest, Request()), body)
