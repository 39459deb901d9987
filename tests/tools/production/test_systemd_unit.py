"""The systemd unit: what it runs, how it ends, and that systemd itself accepts it."""

import configparser
import shutil
import subprocess
from pathlib import Path

import pytest

from cluster.production.render import render
from cluster.production.values import InvalidValues, Values, parse

OWN = parse(
    {
        "name": "acme",
        "hosts": ["api.example.com"],
        "settings": {"log_level": "WARNING"},
        "systemd": {"user": "acme", "folder": "/srv/acme", "state": "acme"},
    }
)
EVERY = pytest.mark.parametrize("values", [Values(), OWN], ids=["default", "own"])


def unit(values: Values) -> configparser.RawConfigParser:
    text = render("systemd", values, {})[f"{values.name}.service"]
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(text)
    return parser


def test_up_in_the_foreground_is_the_service_and_says_when_it_is_ready() -> None:
    service = unit(OWN)["Service"]

    assert service["ExecStart"] == "/srv/acme/mobula up --resume"
    assert service["Type"] == "notify"
    assert (service["User"], service["StateDirectory"]) == ("acme", "acme")


@EVERY
def test_it_ends_in_order_and_is_started_again_after_a_failure_only(values: Values) -> None:
    service = unit(values)["Service"]

    assert service["KillMode"] == "mixed"  # a signal to every process would cut requests off
    assert service["Restart"] == "on-failure"
    assert int(service["TimeoutStopSec"]) >= 30


@EVERY
def test_a_replica_killed_for_memory_does_not_end_the_service(values: Values) -> None:
    assert unit(values)["Service"]["OOMPolicy"] == "continue"


@EVERY
def test_what_it_writes_is_its_own_and_no_secret_stands_in_it(values: Values) -> None:
    files = render("systemd", values, {})
    text = files[f"{values.name}.service"]

    assert unit(values)["Service"]["UMask"] == "0077"
    assert "mob_" not in text
    assert "PEPPER" not in text
    assert "#MOBULA_PEPPER=\n" in files["example.env"]


def test_settings_stand_in_it_as_systemd_reads_them() -> None:
    values = parse({"settings": {"request_timeout_s": 30}, "hosts": ["*.example.com"]})

    text = render("systemd", values, {})["mobula.service"]

    assert 'Environment="MOBULA_HOME=/var/lib/mobula"\n' in text
    assert 'Environment="MOBULA_ALLOWED_HOSTS=*.example.com"\n' in text
    assert 'Environment="MOBULA_REQUEST_TIMEOUT_S=30"\n' in text


def test_percent_signs_and_quotes_are_no_specifiers() -> None:
    values = parse({"settings": {"cors_origins": 'https://a/%h"'}})

    assert (
        'MOBULA_CORS_ORIGINS=https://a/%%h\\""' in render("systemd", values, {})["mobula.service"]
    )


def test_a_line_break_in_a_setting_is_refused() -> None:
    values = parse({"settings": {"cors_origins": "https://a\nExecStart=/bin/sh"}})

    with pytest.raises(InvalidValues, match="MOBULA_CORS_ORIGINS"):
        render("systemd", values, {})


@pytest.mark.parametrize("folder", ["relative", "/a b", "/a;b", "/a\nb", "/$HOME"])
def test_a_folder_that_a_unit_cannot_name_is_refused(folder: str) -> None:
    with pytest.raises(InvalidValues, match=r"systemd\.folder"):
        parse({"systemd": {"folder": folder}})


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_accepts_it(tmp_path: Path) -> None:
    program = tmp_path / "mobula"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    text = render("systemd", Values(), {})["mobula.service"].replace("/opt/mobula", str(tmp_path))
    path = tmp_path / "mobula.service"
    path.write_text(text.replace("User=mobula", "User=root").replace("Group=mobula", "Group=root"))

    found = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(path)],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip

    assert found.returncode == 0, found.stderr
