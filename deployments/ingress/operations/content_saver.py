"""Saves generated captions and posts in the library: `"save": true`.

In: the answer of a generation. Out: the same with the id of a draft, whose text is the best variant
and whose further versions are candidates: the other variants. Rights and quotas are checked before
anything is generated. Under an Idempotency-Key the post and the answer are written in one
transaction, so that a request that is sent again saves nothing twice.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.administration import Actor, Administration
from cluster.library.model import (
    MAX_BODY,
    MAX_TITLE,
    LibraryPost,
    PostDraft,
    PostText,
    VersionOrigin,
)
from cluster.storage.database import DatabaseUnavailable
from cluster.tenants.caller import Scope
from deployments.ingress.context import AdmittedRequest
from deployments.ingress.schemas.content import (
    CaptionBatchRequest,
    CaptionItem,
    CaptionRequest,
    PostBatchRequest,
    PostItem,
    PostRequest,
)

ContentBatch = CaptionBatchRequest | PostBatchRequest


class ContentSaver:
    """`admin` None: there is no store, and nothing can be saved."""

    def __init__(self, admin: Administration | None) -> None:
        self._admin = admin

    async def check(self, request: AdmittedRequest, body: CaptionRequest | PostRequest) -> None:
        """Raises Forbidden, LibraryFull, DatabaseUnavailable."""
        if body.save:
            request.require(Scope.LIBRARY_WRITE)
            await self._administration().library.check_room(request.caller.tenant)

    async def save(
        self,
        request: AdmittedRequest,
        body: CaptionRequest | PostRequest,
        answer: dict[str, Any],
    ) -> dict[str, Any]:
        """The answer, with `post_id` if it was to be saved. Raises what `check` raises."""
        if not body.save:
            return answer
        actor = Actor(request.caller, request.request_id)

        async def store_response(connection: AsyncConnection, post: LibraryPost) -> None:
            if request.store_response is not None:
                await request.store_response(connection, {**answer, "post_id": post.id})

        post = await self._administration().library.create(
            actor, request.caller.tenant, _draft(body, answer), store_response
        )
        return {**answer, "post_id": post.id}

    async def check_batch(self, request: AdmittedRequest, body: ContentBatch) -> None:
        """Raises what `check` raises, for as many posts as there are items."""
        if body.save:
            request.require(Scope.LIBRARY_WRITE)
            library = self._administration().library
            await library.check_room(request.caller.tenant, len(body.items))

    async def save_batch(
        self, request: AdmittedRequest, body: ContentBatch, answer: dict[str, Any]
    ) -> dict[str, Any]:
        """The answer, with `post_id` in each result, if they were to be saved: all of them, or
        none. Raises what `check` raises."""
        results = [each["result"] for each in answer["results"] if each["status"] == "ok"]
        if not body.save or not results:
            return answer
        items = [body.items[each["index"]] for each in answer["results"] if each["status"] == "ok"]
        drafts = [_draft(item, result) for item, result in zip(items, results, strict=True)]

        async def store_response(connection: AsyncConnection, posts: Sequence[LibraryPost]) -> None:
            for result, post in zip(results, posts, strict=True):
                result["post_id"] = post.id
            if request.store_response is not None:
                await request.store_response(connection, answer)

        actor = Actor(request.caller, request.request_id)
        await self._administration().library.create_all(
            actor, request.caller.tenant, drafts, store_response
        )
        return answer

    def _administration(self) -> Administration:
        if self._admin is None:
            raise DatabaseUnavailable
        return self._admin


def _draft(body: CaptionItem | PostItem, answer: Mapping[str, Any]) -> PostDraft:
    title = _printable(body.topic or "")[:MAX_TITLE]
    best, *others = [
        (PostText(title, variant["text"].replace("\0", "")[:MAX_BODY]), _scores(variant))
        for variant in answer["variants"]
    ]
    return PostDraft(
        id="",
        text=best[0],
        platform=answer["platform"],
        language=body.language,
        note=f"{answer['object']} by {answer['model']}"[:300],
        origin=VersionOrigin.GENERATED,
        scores=best[1],
        variants=tuple(others),
    )


def _scores(variant: Mapping[str, Any]) -> dict[str, Any]:
    """With the quotes that the text was written from, where it has sources."""
    cited = {"citations": variant["citations"]} if variant.get("citations") else {}
    return {"score": variant["score"], "subscores": variant["subscores"], **cited}


def _printable(text: str) -> str:
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())
