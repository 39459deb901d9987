"""Ways to change an audit trail behind its back: each changes something, in the store or the file.

Flows in: an open transaction, the checkpoint file, a seed. Flows out: a tampered trail; the caller
rolls the transaction back and restores the file.
"""

import random
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from sqlalchemy import Row, Table, delete, insert, literal_column, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.storage.tables import audit_heads, audit_records

R, H = audit_records.c, audit_heads.c
Tamper = Callable[["Scene"], Awaitable[None]]


class Scene:
    """A trail to tamper with. `marks` is how far each chain is signed."""

    def __init__(
        self, connection: AsyncConnection, file: Path, marks: dict[str, int], seed: int
    ) -> None:
        self.connection, self.file, self.marks = connection, file, marks
        self.random = random.Random(seed)

    async def rows(self) -> list[Row[Any]]:
        query = select(audit_records).order_by(R.writer, R.seq)
        return list((await self.connection.execute(query)).all())

    async def row(self) -> Row[Any]:
        return self.random.choice(await self.rows())


async def flip_in_record(scene: Scene) -> None:
    row = await scene.row()
    where = (R.writer == row.writer) & (R.seq == row.seq)
    column = scene.random.choice([each.name for each in audit_records.columns])
    await _flip(scene, audit_records, column, getattr(row, column), where)


async def flip_in_head(scene: Scene) -> None:
    rows = (await scene.connection.execute(select(audit_heads).order_by(H.writer))).all()
    row = scene.random.choice(rows)
    column = scene.random.choice([each.name for each in audit_heads.columns])
    await _flip(scene, audit_heads, column, getattr(row, column), H.writer == row.writer)


async def delete_some(scene: Scene) -> None:
    for row in scene.random.sample(await scene.rows(), scene.random.randint(1, 5)):
        await _delete(scene, row)


async def delete_and_renumber(scene: Scene) -> None:
    gone = scene.random.choice([row for row in await scene.rows() if row.seq < 5])
    await _delete(scene, gone)
    for row in await scene.rows():
        if row.writer == gone.writer and row.seq > gone.seq:
            here = (R.writer == row.writer) & (R.seq == row.seq)
            await scene.connection.execute(
                update(audit_records).where(here).values(seq=row.seq - 1)
            )
    fewer = update(audit_heads).where(H.writer == gone.writer).values(seq=H.seq - 1)
    await scene.connection.execute(fewer)


async def swap(scene: Scene) -> None:
    one, other = scene.random.sample(await scene.rows(), 2)
    for here, there in ((one, other), (other, one)):
        values = {**there._asdict(), "writer": here.writer, "seq": here.seq}
        where = (R.writer == here.writer) & (R.seq == here.seq)
        await scene.connection.execute(update(audit_records).where(where).values(values))


async def cut_past_checkpoint(scene: Scene) -> None:
    """Cut a chain and set its head back, so that only the checkpoint knows."""
    rows = await scene.rows()
    writer = scene.random.choice(sorted(scene.marks))
    last = scene.random.choice(
        [row for row in rows if row.writer == writer and row.seq < scene.marks[writer]]
    )
    beyond = (R.writer == writer) & (R.seq > last.seq)
    await scene.connection.execute(delete(audit_records).where(beyond))
    head = {"seq": last.seq, "mac": last.mac, "at": last.at}
    await scene.connection.execute(update(audit_heads).where(H.writer == writer).values(head))


async def insert_at_the_end(scene: Scene) -> None:
    row = await scene.row()
    end = max(each.seq for each in await scene.rows() if each.writer == row.writer) + 1
    values = {**row._asdict(), "seq": end, "resource": "model:other"}
    await scene.connection.execute(insert(audit_records), values)
    if scene.random.getrandbits(1):
        head = {"seq": end, "mac": row.mac, "at": row.at}
        where = H.writer == row.writer
        await scene.connection.execute(update(audit_heads).where(where).values(head))


async def insert_in_front(scene: Scene) -> None:
    values = {**(await scene.row())._asdict(), "seq": -scene.random.randint(0, 3)}
    await scene.connection.execute(insert(audit_records), values)


async def move_to_another_writer(scene: Scene) -> None:
    row = await scene.row()
    rows = await scene.rows()
    writer = scene.random.choice(sorted({each.writer for each in rows} - {row.writer}))
    end = max(each.seq for each in rows if each.writer == writer)
    where = (R.writer == row.writer) & (R.seq == row.seq)
    values = {"writer": writer, "seq": end + 1}
    await scene.connection.execute(update(audit_records).where(where).values(values))


async def copy_under_a_new_writer(scene: Scene) -> None:
    row = await scene.row()
    for each in await scene.rows():
        if each.writer == row.writer:
            values = {**each._asdict(), "writer": "ingress-forged"}
            await scene.connection.execute(insert(audit_records), values)


async def remove_a_writer(scene: Scene) -> None:
    writer = scene.random.choice(sorted(scene.marks))
    await scene.connection.execute(delete(audit_records).where(R.writer == writer))
    if scene.random.getrandbits(1):
        await scene.connection.execute(delete(audit_heads).where(H.writer == writer))


async def flip_in_file(scene: Scene) -> None:
    content = bytearray(scene.file.read_bytes())
    content[scene.random.randrange(len(content))] ^= 1 << scene.random.randrange(8)
    scene.file.write_bytes(content)


async def remove_a_line(scene: Scene) -> None:
    lines = _lines(scene)
    del lines[scene.random.randrange(len(lines) - 1)]
    scene.file.write_bytes(b"".join(lines))


async def cut_the_file(scene: Scene) -> None:
    """Down to a place behind which a chained record tells of a checkpoint."""
    lines = _lines(scene)
    scene.file.write_bytes(b"".join(lines[: scene.random.randrange(len(lines) - 1)]))


async def reorder_lines(scene: Scene) -> None:
    lines = _lines(scene)
    first, second = scene.random.sample(range(len(lines)), 2)
    lines[first], lines[second] = lines[second], lines[first]
    scene.file.write_bytes(b"".join(lines))


async def repeat_a_line(scene: Scene) -> None:
    lines = _lines(scene)
    lines.insert(scene.random.randrange(len(lines) + 1), scene.random.choice(lines))
    scene.file.write_bytes(b"".join(lines))


TAMPERINGS: tuple[Tamper, ...] = (
    *[flip_in_record] * 8,  # the classes with most to choose from come most often
    *[flip_in_file] * 2,
    flip_in_head,
    delete_some,
    delete_and_renumber,
    swap,
    *[cut_past_checkpoint] * 2,
    insert_at_the_end,
    insert_in_front,
    move_to_another_writer,
    copy_under_a_new_writer,
    remove_a_writer,
    remove_a_line,
    cut_the_file,
    reorder_lines,
    repeat_a_line,
)


def _lines(scene: Scene) -> list[bytes]:
    return scene.file.read_bytes().splitlines(keepends=True)


async def _delete(scene: Scene, row: Row[Any]) -> None:
    where = (R.writer == row.writer) & (R.seq == row.seq)
    await scene.connection.execute(delete(audit_records).where(where))


async def _flip(scene: Scene, table: Table, column: str, value: Any, where: Any) -> None:
    """Flip one bit of a stored value, as it lies in the store."""
    here: Any = literal_column(column)
    if isinstance(value, dict):
        kept = select(text(f"CAST({column} AS TEXT)")).select_from(table).where(where)
        value = (await scene.connection.execute(kept)).scalar_one()
    new = _flipped(value, scene.random)
    if isinstance(value, str):
        here = "CAST(CAST(:new AS BLOB) AS TEXT)"
        if scene.connection.dialect.name != "sqlite":
            here = (
                "CAST(convert_from(:new, 'UTF8') AS JSON)"
                if column == "detail"
                else ("convert_from(:new, 'UTF8')")
            )
        statement = update(table).where(where).values({column: text(here).bindparams(new=new)})
    else:
        statement = update(table).where(where).values({column: new})
    await scene.connection.execute(statement)


def _flipped(value: Any, source: random.Random) -> Any:
    """A text comes back as bytes, which need not be text any more."""
    if isinstance(value, int):
        return value ^ (1 << source.randrange(40))
    if isinstance(value, float):
        return struct.unpack(">d", _flip_bit(struct.pack(">d", value), source))[0]
    return _flip_bit(value.encode() if isinstance(value, str) else value, source)


def _flip_bit(content: bytes, source: random.Random) -> bytes:
    changed = bytearray(content or b"\x00")
    changed[source.randrange(len(changed))] ^= 1 << source.randrange(8)
    return bytes(changed)
