"""Secrets from files: every secret setting takes `<NAME>_FILE`, with clear errors."""

from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from cluster.runtime.settings import Settings, process_environment, secret_settings

VALUES = {
    "bootstrap_key": "mob_operator_" + "A1b2" * 8,
    "metrics_key": "mob_metrics_" + "A1b2" * 8,
    "database_url": "postgresql+asyncpg://m:hidden@db/m",
    "redis_url": "redis://:hidden@redis:6379/0",
    "gcs_redis_url": "redis://:hidden@redis:6379",
    "pepper": "hidden-" * 8,
    "sentry_dsn": "https://hidden@sentry.example/1",
}


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in process_environment():
        if name.startswith("MOBULA_"):
            monkeypatch.delenv(name)


def variable(name: str) -> str:
    return f"MOBULA_{name.upper()}_FILE"


def test_every_secret_setting_is_meant() -> None:
    assert set(secret_settings()) == VALUES.keys()


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_a_secret_is_read_from_the_file_that_its_variable_names(
    name: str, end: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_bytes((VALUES[name] + end).encode())
    monkeypatch.setenv(variable(name), str(path))

    secret = getattr(Settings(), name)

    assert secret.get_secret_value() == VALUES[name]
    assert VALUES[name] not in repr(Settings())


def test_the_variable_and_its_file_together_are_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "pepper"
    path.write_text(VALUES["pepper"])
    monkeypatch.setenv("MOBULA_PEPPER", VALUES["pepper"])
    monkeypatch.setenv("MOBULA_PEPPER_FILE", str(path))

    with pytest.raises(ValidationError, match=r"MOBULA_PEPPER.*FILE.*one of them") as refused:
        Settings()
    assert "hidden" not in str(refused.value)


def test_an_empty_variable_counts_as_not_set(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "pepper"
    path.write_text(VALUES["pepper"])
    monkeypatch.setenv("MOBULA_PEPPER", "")
    monkeypatch.setenv("MOBULA_PEPPER_FILE", str(path))
    monkeypatch.setenv("MOBULA_REDIS_URL_FILE", "")

    assert Settings().pepper == SecretStr(VALUES["pepper"])
    assert Settings().redis_url is None


def test_what_code_gives_counts_before_any_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MOBULA_PEPPER_FILE", str(tmp_path / "none"))
    assert Settings(pepper=SecretStr("q" * 32)).pepper == SecretStr("q" * 32)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        pytest.param(None, "cannot be read", id="missing"),
        pytest.param(b"", "is empty", id="empty"),
        pytest.param(b" \n", "is empty", id="blank"),
        pytest.param(b"\xff\xfe" * 20, "is not UTF-8", id="not text"),
        pytest.param(b"x" * 100_000, "is larger than", id="huge"),
        pytest.param(b"first line" * 4 + b"\nsecond", "several lines", id="lines"),
    ],
)
def test_a_file_that_holds_no_secret_is_refused_by_its_variable_and_path(
    content: bytes | None, why: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "pepper"
    if content is not None:
        path.write_bytes(content)
    monkeypatch.setenv("MOBULA_PEPPER_FILE", str(path))

    with pytest.raises(ValidationError, match=f"MOBULA_PEPPER_FILE.*{path}.*{why}") as refused:
        Settings()
    assert "second" not in str(refused.value)


def test_the_rules_of_a_setting_hold_for_its_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "pepper"
    path.write_text("short")
    monkeypatch.setenv("MOBULA_PEPPER_FILE", str(path))

    with pytest.raises(ValidationError, match="32 characters or more") as refused:
        Settings()
    assert "short" not in str(refused.value)
