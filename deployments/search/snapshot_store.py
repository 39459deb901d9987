"""Snapshots of the indexes of large collections, so that a shard answers soon after a restart.

In: an index. Out: the same index as it was, later. Each is a folder
`<collection>/<generation>-<sequence>-<number>`; it gets that name once it is whole. They are copies
of what is in the database: whatever is damaged, outdated or of a deleted collection is deleted.
"""

import logging
import secrets
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cluster.runtime.clock import SystemClock
from deployments.search.approximate_index import ApproximateIndex
from deployments.search.array_files import ArrayReader, ArrayWriter, DamagedFiles
from deployments.search.collection_index import CollectionIndex
from deployments.search.index_state import IndexState
from deployments.search.inverted_index import Postings
from deployments.search.point_loader import StoredVersion
from deployments.search.vector_rows import VectorRows

FORMAT = 1
GRAPH = "graph"
_DRAFT = "draft-"
_DRAFT_S = 3_600.0  # a draft that is older was left by a process that ended
_PLAIN = ("live", "has_vector", "sequences", "lengths")
log = logging.getLogger("mobula.search")


@dataclass(frozen=True, slots=True)
class IndexSnapshot:
    folder: Path
    collection: str
    generation: int
    sequence: int


class SnapshotStore:
    """Its methods take seconds; call them in a thread."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def draft(self, collection: str) -> Path:
        """Where a new one is written. Something else may write the file GRAPH there before."""
        return self._folder / collection / f"{_DRAFT}{secrets.token_hex(8)}"

    def write(
        self, draft: Path, tenant: str, generation: int, state: IndexState, graph: Path | None
    ) -> None:
        """Takes the place of all others of the collection. `graph` is moved into it."""
        try:
            _write(draft, tenant, generation, state, graph)
            name = f"{generation}-{state.sequence}-{secrets.token_hex(4)}"
            draft.rename(draft.with_name(name))
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise
        finally:
            if graph is not None:
                graph.unlink(missing_ok=True)
        for each in self._of(draft.parent):
            if each.folder.name != name:
                self.delete(each)

    def read(
        self, tenant: str, collection: str, generation: int, purged: int
    ) -> CollectionIndex | None:
        """The last one of this generation, with all tombstones that are not in the database any
        more."""
        found = [
            each
            for each in self._of(self._folder / collection)
            if each.generation == generation and each.sequence >= purged
        ]
        for each in sorted(found, key=lambda one: -one.sequence):
            try:
                return _read(each.folder, tenant)
            except (DamagedFiles, OSError, ValueError, KeyError) as error:
                log.warning("a snapshot is not used: %s", error, extra={"collection": collection})
                self.delete(each)
        return None

    def delete(self, snapshot: IndexSnapshot) -> None:
        shutil.rmtree(snapshot.folder, ignore_errors=True)

    def delete_all(self, collection: str) -> None:
        shutil.rmtree(self._folder / collection, ignore_errors=True)

    def collections(self) -> list[str]:
        """Ids of those that have some."""
        if not self._folder.is_dir():
            return []
        return sorted(path.name for path in self._folder.iterdir() if path.is_dir())

    def delete_outdated(self, collection: str, version: StoredVersion | None) -> int:
        """Those that no shard would read any more (None: the collection is deleted); returns how
        many."""
        folder = self._folder / collection
        if version is None:
            count = len(self._of(folder))
            self.delete_all(collection)
            return count
        outdated = [
            each
            for each in self._of(folder)
            if each.generation != version.generation or each.sequence < version.purged
        ]
        for each in outdated:
            self.delete(each)
        for draft in folder.glob(f"{_DRAFT}*"):
            with suppress(OSError):
                if SystemClock().wall() - draft.stat().st_mtime > _DRAFT_S:
                    draft.unlink() if draft.is_file() else shutil.rmtree(draft)
        return len(outdated)

    def _of(self, folder: Path) -> list[IndexSnapshot]:
        found = []
        for path in folder.iterdir() if folder.is_dir() else ():
            with suppress(ValueError):
                generation, sequence, _ = path.name.split("-")
                found.append(IndexSnapshot(path, folder.name, int(generation), int(sequence)))
        return found


def _write(
    draft: Path, tenant: str, generation: int, state: IndexState, graph: Path | None
) -> None:
    writer, vectors = ArrayWriter(draft), state.vectors
    for name in _PLAIN:
        array = getattr(state, name)
        writer.write(name, [array], array.dtype)
    writer.write_bytes("ids", "\n".join(state.ids).encode())
    writer.write_bytes("payloads", b"".join(state.payloads))
    ends = np.cumsum([len(payload) for payload in state.payloads], dtype=np.int64)
    writer.write("payload_ends", [ends], np.int64)
    for name, array in state.postings._asdict().items():
        writer.write(f"posting_{name}", [array], array.dtype)
    kept = state.live & state.has_vector
    writer.write("vectors", vectors.parts(kept), "<f2", vectors.dimensions)
    if graph is not None:
        graph.rename(draft / GRAPH)
        writer.add(GRAPH)
    writer.finish(
        format=FORMAT,
        tenant=tenant,
        generation=generation,
        sequence=state.sequence,
        rows=len(state.ids),
        dimensions=vectors.dimensions,
        greatest=vectors.greatest,
    )


def _read(folder: Path, tenant: str) -> CollectionIndex:
    """Raises DamagedFiles."""
    reader = ArrayReader(folder)
    values = reader.values
    if values["format"] != FORMAT or values["tenant"] != tenant:
        raise DamagedFiles("another format, or another tenant's")
    payloads, start = [], 0
    joined = reader.read_bytes("payloads")
    for end in reader.read("payload_ends").tolist():
        payloads.append(joined[start:end])
        start = end
    ids = reader.read_bytes("ids").decode().split("\n") if values["rows"] else []
    plain = {name: np.array(reader.read(name)) for name in _PLAIN}
    postings = Postings(*(reader.read(f"posting_{name}") for name in Postings._fields))
    vectors = VectorRows.of(reader.read("vectors"), values["dimensions"], values["greatest"])
    state = IndexState(
        sequence=values["sequence"],
        ids=ids,
        payloads=payloads,
        postings=postings,
        vectors=vectors,
        **plain,
    )
    graph = ApproximateIndex.read(vectors.dimensions, folder / GRAPH) if GRAPH in reader else None
    return CollectionIndex.of(state, graph)
