"""Settings from the environment."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from cluster.runtime.settings import ROOT, Settings, in_ci, process_environment


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in process_environment():
        if name.startswith("MOBULA_"):
            monkeypatch.delenv(name)


def test_defaults_suit_one_machine() -> None:
    settings = Settings()

    assert settings.home == ROOT / ".mobula"
    assert (settings.host, settings.http_port) == ("127.0.0.1", 8000)
    assert settings.gcs_port != 6379
    assert settings.bootstrap_key is None


def test_variables_override_and_lists_are_split(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOBULA_HTTP_PORT", "9000")
    monkeypatch.setenv("MOBULA_ALLOWED_HOSTS", "api.example.com, localhost")
    monkeypatch.setenv("MOBULA_CORS_ORIGINS", "")

    settings = Settings()

    assert settings.http_port == 9000
    assert settings.allowed_hosts == ("api.example.com", "localhost")
    assert settings.cors_origins == ()


def test_a_relative_home_becomes_absolute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MOBULA_HOME", "state")

    assert Settings().home == tmp_path / "state"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HTTP_PORT", "0"),
        ("HTTP_PORT", "70000"),
        ("MAX_BODY_BYTES", "-1"),
        ("REQUEST_TIMEOUT_S", "0"),
        ("LOG_LEVEL", "LOUD"),
    ],
)
def test_nonsense_is_refused(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"MOBULA_{name}", value)

    with pytest.raises(ValidationError, match=name.lower()):
        Settings()


def test_the_bootstrap_key_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOBULA_BOOTSTRAP_KEY", "mob_operator_" + "A1b2" * 8)

    assert "A1b2" not in repr(Settings())


@pytest.mark.parametrize(("value", "expected"), [("true", True), ("1", True), ("", False)])
def test_ci_is_recognised(value: str, expected: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", value)

    assert in_ci() is expected
