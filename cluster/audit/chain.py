"""A writer's hash chain: each record's MAC covers the record and the previous MAC.

In: records in order. Out: chained records for the database. Without the key no record inside a
chain can be created, changed, moved or removed undetected; checkpoints detect a truncated end.
Knows no database.

mac_i = HMAC-SHA256(key, encoding(writer, i, mac_{i-1}, every field)), mac_0 = 32 zero bytes.
"""

import hmac
import struct
from typing import NamedTuple

from cluster.audit.fields import detail_text
from cluster.audit.record import AuditRecord

GENESIS = bytes(32)
_LABEL = b"mobula audit 1"
_HEADER = struct.Struct(">qd8I")


class ChainedRecord(NamedTuple):
    """A row of `audit_records`, in the order of its columns; `detail` is the stored JSON text."""

    writer: str
    seq: int
    at: float
    tenant: str
    actor: str
    action: str
    resource: str
    outcome: str
    request_id: str
    detail: str
    mac: bytes


def encoding(link: ChainedRecord, previous: bytes) -> bytes:
    """The bytes that the MAC covers: numbers at fixed width, then lengths, then texts."""
    texts = [link.writer.encode(), *(text.encode() for text in link[3:10])]
    header = _HEADER.pack(link.seq, link.at, *map(len, texts))
    return b"".join((_LABEL, header, previous, *texts))


def mac_of(key: bytes, link: ChainedRecord, previous: bytes) -> bytes:
    """The MAC of `link` if the previous record has the MAC `previous`."""
    return hmac.digest(key, encoding(link, previous), "sha256")


class Chain:
    """The state of a writer's chain; creates the next link."""

    def __init__(self, key: bytes, writer: str, seq: int = 0, mac: bytes = GENESIS) -> None:
        self.writer, self.seq, self.mac = writer, seq, mac
        self._key = key

    def link(self, record: AuditRecord) -> ChainedRecord:
        """Chains a record that `fields.check` or `fields.truncate_fields` has returned."""
        unsigned = ChainedRecord(
            self.writer,
            self.seq + 1,
            float(record.at) + 0.0,  # -0.0 comes back from SQLite as 0.0
            record.tenant,
            record.actor,
            record.action,
            record.resource,
            record.outcome,
            record.request_id,
            detail_text(record),
            b"",
        )
        self.mac = mac_of(self._key, unsigned, self.mac)
        self.seq += 1
        return unsigned._replace(mac=self.mac)
