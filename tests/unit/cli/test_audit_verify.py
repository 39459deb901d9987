"""`mobula audit verify`: the store is checked where it lies, without a cluster."""

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import text

from cluster.administration.reports import AUDIT
from cluster.audit.keys import AuditKeys
from cluster.audit.record import AuditRecord
from cluster.audit.trail import AuditTrail
from cluster.auth.bootstrap import bootstrap
from cluster.runtime.clock import SystemClock
from cluster.runtime.settings import Settings
from cluster.secrets.key_files import load_pepper, store_url
from cluster.storage.database import Database
from tests.command_line import run_command
from tests.servers.stores import migrated_home


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "home"
    monkeypatch.setenv("MOBULA_HOME", str(home))
    return home


async def fill(home: Path, statement: str | None = None) -> None:
    settings = Settings(home=home)
    keys = AuditKeys.derive(load_pepper(home, settings))
    database = Database(store_url(home, settings))
    trail = AuditTrail(database, "test", keys, home / AUDIT, SystemClock())
    for number in range(20):
        trail.enqueue(AuditRecord(1.0 + number, "acme", "key:k", "chat", "model:nano"))
    await trail.close()
    if statement is not None:
        async with database.begin() as connection:
            await connection.execute(text(statement))
    await database.close()


def test_an_untouched_trail_passes(home: Path) -> None:
    bootstrap(migrated_home(home), Settings(home=home))
    asyncio.run(fill(home))
    result = run_command(["audit", "verify"])

    assert result.exit_code == 0, result.output
    assert "verified" in result.output


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_records SET actor = 'key:x' WHERE seq = 7",
        "DELETE FROM audit_records WHERE seq > 15",  # the rest is a note as well
        *(
            pytest.param(statement, marks=pytest.mark.exhaustive)
            for statement in (
                "DELETE FROM audit_records WHERE seq = 7",
                "UPDATE audit_records SET seq = 1000 WHERE seq = 7",
            )
        ),
    ],
)
def test_a_touched_one_is_found_and_the_exit_code_says_so(home: Path, statement: str) -> None:
    bootstrap(migrated_home(home), Settings(home=home))
    asyncio.run(fill(home, statement))
    result = run_command(["audit", "verify"])

    assert result.exit_code == 1
    assert "findings in" in result.output


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("UPDATE api_keys SET scopes = '[\"generate\"]'", "does not match its MAC"),
        ("UPDATE api_keys SET mac = NULL", "has no MAC"),
        ("UPDATE api_keys SET digest = 'text', scopes = 'junk'", "does not match its MAC"),
        pytest.param(
            "UPDATE signing_keys SET retires = 9e9",
            "does not match its MAC",
            marks=pytest.mark.exhaustive,
        ),
    ],
)
def test_a_key_that_was_changed_in_the_store_is_named(
    home: Path, statement: str, says: str
) -> None:
    bootstrap(migrated_home(home), Settings(home=home))
    asyncio.run(fill(home, statement))
    result = run_command(["audit", "verify"])

    assert result.exit_code == 1
    assert says in result.output
    assert "1 findings in" in result.output


def test_without_a_store_a_sentence_is_said(home: Path) -> None:
    result = run_command(["audit", "verify"])

    assert result.exit_code == 1
    assert "no database" in result.output
    assert "Traceback" not in result.output
