"""SQL of the versions of posts. A text is stored once for each tenant, under its digest."""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Row, and_, delete, exists, insert, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.library.model import LibraryFull, PostDraft, PostText, PostVersion, VersionOrigin
from cluster.runtime.clock import Clock
from cluster.runtime.problems import NotFound
from cluster.storage.pagination import Page
from cluster.storage.tables import library_bodies, library_vectors, library_versions

_V, _B = library_versions.c, library_bodies.c
_COLUMNS = (
    _V.number, _V.title, _B.body, _V.digest, _V.author, _V.note, _V.origin, _V.is_candidate,
    _V.scores, _V.created,
)  # fmt: skip


class VersionRepository:
    """Methods take the number of the post, which is the tenant's."""

    def __init__(self, clock: Clock, max_versions: int) -> None:
        self._clock = clock
        self._max_versions = max_versions

    async def add_first(
        self, connection: AsyncConnection, tenant: str, post: int, author: str, draft: PostDraft
    ) -> int:
        """The version of a new post and its candidates; returns the bytes that were added."""
        added = await self.add(
            connection, tenant, post, 1, author, draft.text, draft.note, draft.origin,
            scores=draft.scores,
        )  # fmt: skip
        for index, (text, scores) in enumerate(draft.variants, 2):
            added += await self.add(
                connection, tenant, post, index, author, text, draft.note, draft.origin,
                scores=scores, is_candidate=True,
            )  # fmt: skip
        return added

    async def add(
        self,
        connection: AsyncConnection,
        tenant: str,
        post: int,
        number: int,
        author: str,
        text: PostText,
        note: str,
        origin: VersionOrigin,
        *,
        scores: Mapping[str, Any] | None = None,
        is_candidate: bool = False,
    ) -> int:
        """Returns the bytes that were added. Raises LibraryFull."""
        if number > self._max_versions:
            raise LibraryFull("versions of a post", self._max_versions)
        content = text.body.encode()
        digest = hashlib.sha256(content).hexdigest()
        dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
        body = {"tenant": tenant, "digest": digest, "body": text.body, "size": len(content)}
        new = dialect.insert(library_bodies).values(**body).on_conflict_do_nothing()
        is_new = (await connection.execute(new.returning(_B.size))).first() is not None
        values = {
            "post": post,
            "number": number,
            "tenant": tenant,
            "digest": digest,
            "title": text.title,
            "author": author,
            "note": note,
            "origin": origin,
            "is_candidate": is_candidate,
            "scores": scores,
            "created": self._clock.wall(),
        }
        await connection.execute(insert(library_versions).values(**values))
        return len(content) if is_new else 0

    async def get(
        self, connection: AsyncConnection, tenant: str, post: int, number: int
    ) -> PostVersion:
        """Raises NotFound."""
        query = _query(tenant, post).where(_V.number == number)
        row = (await connection.execute(query)).first()
        if row is None:
            raise NotFound(f"The post has no version {number}.", param="version")
        return _version(row)

    async def list(
        self, connection: AsyncConnection, tenant: str, post: int, limit: int, before: int | None
    ) -> Page[PostVersion]:
        """Newest first, those with lower numbers than `before`."""
        query = _query(tenant, post)
        if before is not None:
            query = query.where(_V.number < before)
        rows = await connection.execute(query.order_by(_V.number.desc()).limit(limit + 1))
        found = [_version(row) for row in rows]
        next_page = str(found[limit - 1].number) if len(found) > limit else None
        return Page(tuple(found[:limit]), next_page)

    async def digests(self, connection: AsyncConnection, tenant: str, post: int) -> Sequence[str]:
        query = select(_V.digest).where(_V.tenant == tenant, _V.post == post).distinct()
        return (await connection.execute(query)).scalars().all()

    async def delete_unused(
        self, connection: AsyncConnection, tenant: str, digests: Collection[str]
    ) -> int:
        """Deletes those of the texts that no version has; returns their bytes."""
        is_used = exists().where(_V.tenant == tenant, _V.digest == _B.digest)
        unused = and_(_B.tenant == tenant, _B.digest.in_(digests), ~is_used)
        rows = await connection.execute(
            delete(library_bodies).where(unused).returning(_B.digest, _B.size)
        )
        gone = rows.all()
        vectors = library_vectors.c
        of_gone = and_(vectors.tenant == tenant, vectors.digest.in_([row.digest for row in gone]))
        await connection.execute(delete(library_vectors).where(of_gone))
        return sum(row.size for row in gone)


def _query(tenant: str, post: int) -> Any:
    joined = library_versions.join(
        library_bodies, and_(_B.tenant == _V.tenant, _B.digest == _V.digest)
    )
    return select(*_COLUMNS).select_from(joined).where(_V.tenant == tenant, _V.post == post)


def _version(row: Row[Any]) -> PostVersion:
    return PostVersion(**dict(row._mapping) | {"origin": VersionOrigin(row.origin)})
