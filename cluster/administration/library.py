"""The post library: posts, their versions and transitions; every change is audited and published.

A change names the revision of the post that the caller has seen (None: whatever it is), so of two
who edit at once one is refused. Rights beyond that of the route are checked here: `library:approve`
for the transitions that need it, and whether authors approve their own posts.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.administration.actor import Actor
from cluster.administration.unit_of_work import Change, UnitOfWork
from cluster.audit.record import AuditRecord
from cluster.events.kinds import EventKind
from cluster.library.listing import list_posts
from cluster.library.model import (
    LibraryLimits,
    LibraryPost,
    PostDraft,
    PostFilter,
    PostNotEditable,
    PostOrder,
    PostPage,
    PostText,
    PostVersion,
    TransitionRecord,
    VersionOrigin,
    check_revision,
)
from cluster.library.repository import PostRepository
from cluster.library.status import PostStatus
from cluster.library.transitions import PostEdit, TransitionRequest, check_transition
from cluster.metrics.catalogue import library
from cluster.metrics.series import Counter
from cluster.runtime.problems import Problem
from cluster.storage.pagination import Page
from cluster.tenants.settings import SettingsRepository

_ACTIONS = ("create", "update", "restore", "transition", "delete", "bulk")
StoreResponse = Callable[[AsyncConnection, LibraryPost], Awaitable[None]]
StoreResponses = Callable[[AsyncConnection, Sequence[LibraryPost]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class BulkResult:
    """What came of one post: as it is now (None: it is deleted), or why nothing was changed."""

    id: str
    post: LibraryPost | None = None
    problem: Problem | None = None


class LibraryService:
    """Methods raise NotFound for what is not the tenant's, PreconditionFailed for another revision,
    LibraryFull, and DatabaseUnavailable.
    """

    def __init__(self, unit_of_work: UnitOfWork, limits: LibraryLimits | None = None) -> None:
        self._unit_of_work = unit_of_work
        self._posts = PostRepository(unit_of_work.clock, limits)
        self._settings = SettingsRepository(unit_of_work.clock)
        self.changes = Counter(library.CHANGES)
        for action in _ACTIONS:
            self.changes.add((action,), 0)

    async def list(
        self,
        tenant: str,
        conditions: PostFilter,
        order: PostOrder,
        limit: int,
        cursor: str | None,
        *,
        count: bool = True,
        whole: bool = False,
    ) -> PostPage:
        async with self._unit_of_work.database.read() as connection:
            return await list_posts(
                connection, tenant, conditions, order, limit, cursor, count=count, whole=whole
            )

    async def get(self, tenant: str, id: str) -> LibraryPost:
        async with self._unit_of_work.database.read() as connection:
            return await self._posts.get(connection, tenant, id)

    async def transitions(self, tenant: str, id: str) -> tuple[TransitionRecord, ...]:
        """Oldest first."""
        async with self._unit_of_work.database.read() as connection:
            post = await self._posts.get(connection, tenant, id)
            return await self._posts.transitions(connection, tenant, post)

    async def versions(
        self, tenant: str, id: str, limit: int, before: int | None
    ) -> Page[PostVersion]:
        """Newest first."""
        async with self._unit_of_work.database.read() as connection:
            post = await self._posts.get(connection, tenant, id)
            return await self._posts.versions.list(connection, tenant, post.number, limit, before)

    async def version(self, tenant: str, id: str, number: int) -> PostVersion:
        async with self._unit_of_work.database.read() as connection:
            post = await self._posts.get(connection, tenant, id)
            return await self._posts.versions.get(connection, tenant, post.number, number)

    async def check_room(self, tenant: str, posts: int = 1) -> None:
        """Raises LibraryFull if so many further posts would not be stored."""
        async with self._unit_of_work.database.read() as connection:
            await self._posts.check_room(connection, tenant, posts)

    async def create(
        self,
        actor: Actor,
        tenant: str,
        draft: PostDraft,
        store_response: StoreResponse | None = None,
    ) -> LibraryPost:
        """Raises Conflict (id). `store_response` is called in the same transaction."""
        async with self._change(actor, tenant, "create", draft.id) as change:
            post = await self._create(change, draft)
            if store_response is not None:
                await store_response(change.connection, post)
        return post

    async def create_all(
        self,
        actor: Actor,
        tenant: str,
        drafts: Sequence[PostDraft],
        store_response: StoreResponses,
    ) -> Sequence[LibraryPost]:
        """All of them, or none. Each is audited; `store_response` is called in the same
        transaction."""
        posts, records = [], []
        async with self._change(actor, tenant, "create", "") as change:
            for draft in drafts:
                change.detail = {}
                posts.append(await self._create(change, draft))
                records.append(change.audit_record())
            for record in records[:-1]:
                await self._unit_of_work.trail.append(change.connection, record)
            await store_response(change.connection, posts)
        self.changes.add(("create",), len(posts) - 1)
        return posts

    async def _create(self, change: Change, draft: PostDraft) -> LibraryPost:
        connection, tenant, author = change.connection, change.tenant, change.actor.name
        post = await self._posts.create(connection, tenant, author, draft)
        change.resource = f"post:{post.id}"
        change.detail |= {"origin": str(draft.origin)}
        await _publish_changed(change, EventKind.POST_CREATED, post)
        return post

    async def update(
        self, actor: Actor, tenant: str, id: str, revision: int | None, edit: PostEdit
    ) -> LibraryPost:
        """Raises PostNotEditable: a text changes in drafts only, tags until a post is archived."""
        async with self._change(actor, tenant, "update", id) as change:
            post = await self._locked(change, id, revision)
            return await self._edit(change, post, edit)

    async def restore(
        self, actor: Actor, tenant: str, id: str, revision: int | None, number: int
    ) -> LibraryPost:
        """Makes a copy of version `number` the current one. Raises PostNotEditable."""
        async with self._change(actor, tenant, "restore", id) as change:
            post = await self._locked(change, id, revision)
            if post.status is not PostStatus.DRAFT:
                raise PostNotEditable(post)
            version = await self._posts.versions.get(change.connection, tenant, post.number, number)
            change.detail |= {"version": number}
            restored = await self._posts.set_text(
                change.connection,
                tenant,
                post,
                actor.name,
                PostText(version.title, version.body),
                f"version {number}",
                VersionOrigin.RESTORED,
                version.scores,
            )
            await _publish_changed(change, EventKind.POST_UPDATED, restored, ("version",))
            return restored

    async def delete(self, actor: Actor, tenant: str, id: str, revision: int | None) -> None:
        """With all its versions."""
        async with self._change(actor, tenant, "delete", id) as change:
            await self._delete(change, await self._locked(change, id, revision))

    async def transition(
        self,
        actor: Actor,
        tenant: str,
        id: str,
        revision: int | None,
        request: TransitionRequest,
    ) -> LibraryPost:
        """Raises IllegalTransition, Forbidden, SelfApproval, and InvalidRequest for the time."""
        async with self._change(actor, tenant, "transition", id) as change:
            post = await self._locked(change, id, revision)
            return await self._transition(change, post, request)

    async def change_many(
        self,
        actor: Actor,
        tenant: str,
        ids: Sequence[str],
        action: TransitionRequest | PostEdit | None,
        revisions: Sequence[int | None] = (),
    ) -> Sequence[BulkResult]:
        """The same change of each post (None: deletion), each alone: one that is refused leaves the
        others as they are. All of them are committed together.
        """
        expected = [*revisions, *[None] * (len(ids) - len(revisions))]
        results = [BulkResult(id) for id in ids]
        records: list[AuditRecord] = []
        async with self._change(actor, tenant, "bulk", "") as change:
            for index in sorted(range(len(ids)), key=ids.__getitem__):  # one order of locks
                published, change.detail = len(change.published), {}
                change.resource = f"post:{ids[index]}"
                try:
                    async with change.connection.begin_nested():
                        post = await self._locked(change, ids[index], expected[index])
                        changed = await self._apply(change, post, action)
                except Problem as problem:
                    if problem.status >= 500:
                        raise
                    del change.published[published:]
                    results[index] = BulkResult(ids[index], problem=problem)
                else:
                    results[index] = BulkResult(ids[index], changed)
                    records.append(change.audit_record())
            for record in records:
                await self._unit_of_work.trail.append(change.connection, record)
            change.resource = f"posts:{len(ids)}"
            change.detail = {"changed": len(records), "refused": len(ids) - len(records)}
            change.detail["action"] = _name(action)
        self.changes.add(("bulk",), len(records))
        return results

    async def _apply(
        self, change: Change, post: LibraryPost, action: TransitionRequest | PostEdit | None
    ) -> LibraryPost | None:
        if action is None:
            await self._delete(change, post)
            return None
        if isinstance(action, TransitionRequest):
            return await self._transition(change, post, action)
        return await self._edit(change, post, action)

    async def _edit(self, change: Change, post: LibraryPost, edit: PostEdit) -> LibraryPost:
        connection, tenant = change.connection, change.tenant
        changed = edit.changes(post)
        if not changed:
            return post
        is_text = bool(changed.keys() - {"tags"})
        if post.status is PostStatus.ARCHIVED or (is_text and post.status is not PostStatus.DRAFT):
            raise PostNotEditable(post)
        change.detail |= {"changed": ",".join(changed)}
        text = PostText(changed.pop("title", post.title), changed.pop("body", post.body))
        names = list(changed)
        if text == post.text:
            updated = await self._posts.update(connection, tenant, post, **changed)
        else:
            names.append("version")
            updated = await self._posts.set_text(
                connection, tenant, post, change.actor.name, text, edit.note, **changed
            )
        await _publish_changed(change, EventKind.POST_UPDATED, updated, names)
        return updated

    async def _transition(
        self, change: Change, post: LibraryPost, request: TransitionRequest
    ) -> LibraryPost:
        connection, tenant, actor = change.connection, change.tenant, change.actor
        settings = await self._settings.get(connection, tenant)
        values = check_transition(
            post,
            request,
            actor.caller,
            actor.name,
            self._unit_of_work.clock.wall(),
            authors_may_approve=settings.authors_may_approve is not False,
            own_zone=settings.zone,
        )
        moved = await self._posts.update(connection, tenant, post, **values)
        await self._posts.add_transition(
            connection, tenant, post, moved, request.transition, actor.name, request.note
        )
        change.detail |= {"transition": str(request.transition), "status": str(moved.status)}
        payload = {
            "id": post.id,
            "revision": moved.revision,
            "transition": str(request.transition),
            "before": str(post.status),
            "status": str(moved.status),
        }
        await change.publish(EventKind.POST_STATUS_CHANGED, payload)
        return moved

    async def _delete(self, change: Change, post: LibraryPost) -> None:
        await self._posts.delete(change.connection, change.tenant, post)
        await change.publish(EventKind.POST_DELETED, {"id": post.id})

    async def _locked(self, change: Change, id: str, revision: int | None) -> LibraryPost:
        post = await self._posts.get(change.connection, change.tenant, id, lock=True)
        check_revision(post, revision)
        return post

    @asynccontextmanager
    async def _change(
        self, actor: Actor, tenant: str, action: str, id: str
    ) -> AsyncIterator[Change]:
        whole = self._unit_of_work.change(actor, tenant, f"post.{action}", f"post:{id}")
        async with whole as change:
            yield change
        if action != "bulk":
            self.changes.add((action,))


async def _publish_changed(
    change: Change, kind: EventKind, post: LibraryPost, names: Iterable[str] = ()
) -> None:
    payload = {
        "id": post.id,
        "revision": post.revision,
        "status": str(post.status),
        "changed": tuple(names),
    }
    await change.publish(kind, payload)


def _name(action: TransitionRequest | PostEdit | None) -> str:
    if action is None:
        return "delete"
    return str(action.transition) if isinstance(action, TransitionRequest) else "edit"
