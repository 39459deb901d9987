"""SQL of posts: making, reading, changing and deleting one, and its transitions.

Methods take the caller's connection first and never commit. A tenant's posts are made one after
another, as its quota is in one row, so their numbers are committed in order. Knows no
authorization.
"""

import asyncio
import secrets
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Row, and_, delete, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.library.model import (
    LibraryFull,
    LibraryLimits,
    LibraryPost,
    PostDraft,
    PostText,
    TransitionRecord,
    VersionOrigin,
    no_post,
)
from cluster.library.status import PostStatus, PostTransition
from cluster.library.terms import Facet, terms_of
from cluster.library.versions import VersionRepository
from cluster.runtime.clock import Clock
from cluster.runtime.problems import Conflict
from cluster.storage.tables import (
    library_posts,
    library_sizes,
    library_transitions,
)

COLUMNS = tuple(library_posts.c[name] for name in LibraryPost.__slots__)
FACETS, TAG = ("status", "platform", "language", "created_by"), "tag"
MAX_ON_LOOP = 4_000  # characters of a text whose words are found on the event loop
_SEARCHED = (*FACETS, "title", "body", "tags")


class PostRepository:
    """`limits` are those of each tenant."""

    def __init__(self, clock: Clock, limits: LibraryLimits | None = None) -> None:
        self._clock = clock
        self._limits = limits or LibraryLimits()
        self.versions = VersionRepository(clock, self._limits.max_versions)

    async def check_room(self, connection: AsyncConnection, tenant: str, posts: int = 1) -> None:
        """Raises LibraryFull if so many further posts would not be stored."""
        row = (await connection.execute(_sizes(tenant))).first()
        self._check_sizes(*((0, 0) if row is None else (row.posts, row.bytes)), more=posts)

    async def create(
        self, connection: AsyncConnection, tenant: str, author: str, draft: PostDraft
    ) -> LibraryPost:
        """Raises Conflict (id), LibraryFull."""
        posts, size, last = await self._lock_sizes(connection, tenant)
        self._check_sizes(posts, size, more=1)
        now, text = max(self._clock.wall(), last), draft.text
        values = {
            "tenant": tenant,
            "id": draft.id or f"post_{secrets.token_hex(10)}",
            "status": PostStatus.DRAFT,
            "platform": draft.platform,
            "language": draft.language,
            "title": text.title,
            "body": text.body,
            "tags": list(draft.tags),
            "version": 1,
            "versions": 1 + len(draft.variants),
            "revision": 1,
            "created_by": author,
            "author": author,
            "schedule": 0,
            "created": now,
            "updated": now,
        }
        values["terms"] = await _terms(tenant, values)
        try:
            new = insert(library_posts).values(**values).returning(*COLUMNS)
            post = read_post((await connection.execute(new)).one())
        except IntegrityError as error:
            raise Conflict(f"id: there is a post '{draft.id}' already.", param="id") from error
        added = await self.versions.add_first(connection, tenant, post.number, author, draft)
        await self._write_sizes(connection, tenant, posts + 1, size + added, now)
        return post

    async def get(
        self, connection: AsyncConnection, tenant: str, id: str, *, lock: bool = False
    ) -> LibraryPost:
        """With `lock`, nobody else changes it until the transaction ends. Raises NotFound."""
        query = select(*COLUMNS).where(_is(tenant, id))
        if lock:
            query = query.with_for_update()
        row = (await connection.execute(query)).first()
        if row is None:
            raise no_post(id)
        return read_post(row)

    async def update(
        self, connection: AsyncConnection, tenant: str, post: LibraryPost, **values: Any
    ) -> LibraryPost:
        """Changes the post, which is locked, and its revision."""
        values |= {"revision": post.revision + 1, "updated": self._clock.wall()}
        if "tags" in values:
            values["tags"] = list(values["tags"])
        if not values.keys().isdisjoint(_SEARCHED):
            fields = {name: getattr(post, name) for name in _SEARCHED}
            values["terms"] = await _terms(tenant, fields | values)
        changed = update(library_posts).where(_is(tenant, post.id)).values(**values)
        return read_post((await connection.execute(changed.returning(*COLUMNS))).one())

    async def set_text(
        self,
        connection: AsyncConnection,
        tenant: str,
        post: LibraryPost,
        author: str,
        text: PostText,
        note: str,
        origin: VersionOrigin = VersionOrigin.WRITTEN,
        scores: Mapping[str, Any] | None = None,
        **values: Any,
    ) -> LibraryPost:
        """The next version is the current one. Raises LibraryFull."""
        posts, size, _ = await self._lock_sizes(connection, tenant)
        number = post.versions + 1
        added = await self.versions.add(
            connection, tenant, post.number, number, author, text, note, origin, scores=scores
        )
        self._check_sizes(posts, size + added, more=0)
        await self._write_sizes(connection, tenant, posts, size + added)
        values |= {"title": text.title, "body": text.body, "author": author}
        return await self.update(
            connection, tenant, post, version=number, versions=number, **values
        )

    async def delete(self, connection: AsyncConnection, tenant: str, post: LibraryPost) -> None:
        """With its versions, and the texts that no other version has."""
        posts, size, _ = await self._lock_sizes(connection, tenant)
        digests = await self.versions.digests(connection, tenant, post.number)
        await connection.execute(delete(library_posts).where(_is(tenant, post.id)))
        freed = await self.versions.delete_unused(connection, tenant, digests)
        await self._write_sizes(connection, tenant, posts - 1, size - freed)

    async def add_transition(
        self,
        connection: AsyncConnection,
        tenant: str,
        before: LibraryPost,
        after: LibraryPost,
        transition: PostTransition,
        actor: str,
        note: str,
    ) -> None:
        mine = and_(
            library_transitions.c.tenant == tenant, library_transitions.c.post == before.number
        )
        last = select(func.coalesce(func.max(library_transitions.c.seq), 0)).where(mine)
        values = {
            "post": before.number,
            "seq": (await connection.execute(last)).scalar_one() + 1,
            "tenant": tenant,
            "transition": transition,
            "source": before.status,
            "target": after.status,
            "version": after.version,
            "actor": actor,
            "note": note,
            "at": self._clock.wall(),
        }
        await connection.execute(insert(library_transitions).values(**values))

    async def transitions(
        self, connection: AsyncConnection, tenant: str, post: LibraryPost
    ) -> tuple[TransitionRecord, ...]:
        """Oldest first, of the last thousand."""
        table = library_transitions.c
        columns = [table[name] for name in TransitionRecord.__slots__]
        mine = and_(table.tenant == tenant, table.post == post.number)
        query = select(*columns).where(mine).order_by(table.seq.desc()).limit(1_000)
        rows = (await connection.execute(query)).all()
        return tuple(_transition(row) for row in reversed(rows))

    async def _lock_sizes(self, connection: AsyncConnection, tenant: str) -> tuple[int, int, float]:
        """Posts and bytes of the tenant, and when its last post was made; nobody else changes them
        until the transaction ends."""
        dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
        row = dialect.insert(library_sizes).values(tenant=tenant, posts=0, bytes=0, last=0.0)
        await connection.execute(row.on_conflict_do_nothing(index_elements=["tenant"]))
        found = (await connection.execute(_sizes(tenant).with_for_update())).one()
        return found.posts, found.bytes, found.last

    async def _write_sizes(
        self,
        connection: AsyncConnection,
        tenant: str,
        posts: int,
        size: int,
        last: float | None = None,
    ) -> None:
        values = {"posts": posts, "bytes": size} | ({} if last is None else {"last": last})
        mine = update(library_sizes).where(library_sizes.c.tenant == tenant)
        await connection.execute(mine.values(**values))

    def _check_sizes(self, posts: int, size: int, *, more: int) -> None:
        """Raises LibraryFull if `more` further posts (0: what was added) are over a limit."""
        limits = self._limits
        if posts + more > limits.max_posts:
            raise LibraryFull("posts", limits.max_posts)
        if size > limits.max_bytes or (more and size >= limits.max_bytes):
            raise LibraryFull("bytes of text", limits.max_bytes)


async def measure_libraries(connection: AsyncConnection) -> tuple[int, int]:
    """Posts, and bytes of their texts, of all tenants."""
    total = select(
        func.coalesce(func.sum(library_sizes.c.posts), 0),
        func.coalesce(func.sum(library_sizes.c.bytes), 0),
    )
    row = (await connection.execute(total)).one()
    return int(row[0]), int(row[1])


def facets_of(fields: Mapping[str, Any]) -> list[Facet]:
    """Of the columns of a post: what filters ask for."""
    found = [(name, str(fields[name])) for name in FACETS]
    return found + [(TAG, tag) for tag in fields["tags"]]


async def _terms(tenant: str, fields: Mapping[str, Any]) -> str:
    """Of the columns of a post. Long texts take some milliseconds, in a thread."""
    texts = (fields["title"], fields["body"], *fields["tags"])
    facets = facets_of(fields)
    if len(fields["body"]) > MAX_ON_LOOP:
        return await asyncio.to_thread(terms_of, tenant, texts, facets)
    return terms_of(tenant, texts, facets)


def _sizes(tenant: str) -> Any:
    return select(library_sizes).where(library_sizes.c.tenant == tenant)


def _is(tenant: str, id: str) -> Any:
    return and_(library_posts.c.tenant == tenant, library_posts.c.id == id)


def read_post(row: Row[Any]) -> LibraryPost:
    """Of COLUMNS."""
    fields = dict(row._mapping)
    fields |= {"status": PostStatus(row.status), "tags": tuple(row.tags)}
    return LibraryPost(**fields)


def _transition(row: Row[Any]) -> TransitionRecord:
    fields = dict(row._mapping)
    fields["transition"] = PostTransition(row.transition)
    fields |= {name: PostStatus(fields[name]) for name in ("source", "target")}
    return TransitionRecord(**fields)
