"""Posts that are like another one, by the vectors of their texts.

The newest MAX_COMPARED posts of a tenant are compared, exactly. A vector is stored under the digest
of its text and the model that made it, when the text is first compared; up to MAX_EMBEDDED are made
for one search, so the first searches of a large library see a part of it, and say so.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import and_, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.library.model import LibraryPost
from cluster.library.repository import COLUMNS, read_post
from cluster.storage.tables import (
    library_bodies,
    library_posts,
    library_vectors,
    library_versions,
)

MAX_COMPARED = 2_000  # posts: 1.5 MB of vectors with 384 dimensions
MAX_EMBEDDED = 64  # texts
_P, _V, _W = library_posts.c, library_versions.c, library_vectors.c


@dataclass(frozen=True, slots=True)
class ComparedPost:
    """`vector` is float16 in bytes; None: not made yet."""

    number: int
    digest: str
    vector: bytes | None


@dataclass(frozen=True, slots=True)
class SimilarPost:
    """`score` is the cosine."""

    post: LibraryPost
    score: float


async def find_compared(
    connection: AsyncConnection, tenant: str, model: str
) -> tuple[ComparedPost, ...]:
    """The newest posts of the tenant, with the vectors of this model."""
    of_version = and_(_V.post == _P.number, _V.number == _P.version)
    of_text = and_(_W.tenant == tenant, _W.digest == _V.digest, _W.model == model)
    joined = library_posts.join(library_versions, of_version).outerjoin(library_vectors, of_text)
    query = select(_P.number, _V.digest, _W.vector).select_from(joined)
    newest = query.where(_P.tenant == tenant).order_by(_P.number.desc()).limit(MAX_COMPARED)
    return tuple(ComparedPost(*row) for row in await connection.execute(newest))


async def read_bodies(
    connection: AsyncConnection, tenant: str, digests: Sequence[str]
) -> dict[str, str]:
    """Texts by digest."""
    table = library_bodies.c
    query = select(table.digest, table.body).where(
        table.tenant == tenant, table.digest.in_(digests)
    )
    return {row.digest: row.body for row in await connection.execute(query)}


async def store_vectors(
    connection: AsyncConnection, tenant: str, model: str, vectors: Mapping[str, bytes]
) -> None:
    """Vectors by the digests of their texts; those that are there stay."""
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    rows = [
        {"tenant": tenant, "digest": digest, "model": model, "vector": vectors[digest]}
        for digest in sorted(vectors)
    ]
    if rows:
        await connection.execute(dialect.insert(library_vectors).on_conflict_do_nothing(), rows)


async def read_posts(
    connection: AsyncConnection, tenant: str, numbers: Sequence[int]
) -> dict[int, LibraryPost]:
    query = select(*COLUMNS).where(_P.tenant == tenant, _P.number.in_(numbers))
    return {row.number: read_post(row) for row in await connection.execute(query)}


def to_bytes(vectors: NDArray[np.float32]) -> list[bytes]:
    """Of each row, at length 1."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = (vectors / np.maximum(lengths, 1e-12)).astype(np.float16)
    return [row.tobytes() for row in unit]


def rank(vector: bytes, others: Sequence[bytes], limit: int) -> list[tuple[int, float]]:
    """Index and cosine of the nearest, best first; those of another length are left out."""
    same = [index for index, other in enumerate(others) if len(other) == len(vector)]
    if not same:
        return []
    joined = b"".join(others[index] for index in same)
    matrix = np.frombuffer(joined, np.float16).reshape(len(same), -1).astype(np.float32)
    cosines = matrix @ np.frombuffer(vector, np.float16).astype(np.float32)
    best = np.argsort(-cosines, kind="stable")[:limit]
    return [(same[index], float(cosines[index])) for index in best]
