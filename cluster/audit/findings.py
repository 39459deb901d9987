"""The verifier's report: findings (alarms) and notes."""

from dataclasses import dataclass, field

MAX_FINDINGS = 1_000


@dataclass(frozen=True, slots=True)
class AuditFinding:
    """A finding. `seq` is None for a whole chain or a file, which `writer` names."""

    writer: str
    seq: int | None
    what: str

    def __str__(self) -> str:
        where = self.writer if self.seq is None else f"{self.writer} #{self.seq}"
        return f"{where}: {self.what}"


@dataclass(slots=True)
class VerificationReport:
    """`ok`: nothing was changed. `findings` holds the first 1,000 of `alarms`."""

    records: int = 0
    writers: int = 0
    checkpoints: int = 0
    rows: int = 0  # of keys, users, signing keys and refresh tokens, whose MACs were checked
    lost: int = 0  # records that the writers themselves counted as dropped
    alarms: int = 0
    findings: list[AuditFinding] = field(default_factory=list)
    notes: list[AuditFinding] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return self.alarms == 0

    def alarm(self, writer: str, seq: int | None, what: str) -> None:
        self.alarms += 1
        if len(self.findings) < MAX_FINDINGS:
            self.findings.append(AuditFinding(writer, seq, what))

    def note(self, writer: str, what: str) -> None:
        if len(self.notes) < MAX_FINDINGS:
            self.notes.append(AuditFinding(writer, None, what))
