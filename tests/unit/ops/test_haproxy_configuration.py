"""What is made of the configuration that Serve writes for HAProxy."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cluster.ops import haproxy_log
from cluster.ops.haproxy_configuration import (
    HAProxyOptions,
    UnknownConfiguration,
    admin_socket,
    complete,
)
from cluster.ops.haproxy_log import DESCRIPTOR
from cluster.ops.haproxy_problems import PROBLEMS
from cluster.ops.haproxy_start import configurations, read_options
from cluster.ops.haproxy_token import proxy_token
from cluster.resilience.failure_class import ReplicaLost
from cluster.runtime.problems import (
    DeadlineExceeded,
    Forbidden,
    InvalidRequest,
    NotFound,
    Overloaded,
    PayloadTooLarge,
    Problem,
    RateLimited,
    RequestTimeout,
)
from cluster.runtime.settings import ROOT
from deployments.ingress.http.problems import native_body, openai_body

SERVES = """global
    # a comment
    log 127.0.0.1:514 local0 info
    maxconn 4096
defaults
    log global
    option httplog
    option log-health-checks
    option splice-request
    errorfile 503 /tmp/500.http
frontend prometheus
    bind :9101
frontend http_frontend
    bind 127.0.0.1:8000
    log /tmp/metrics.sock len 8192 format rfc5424 local1 debug
    log-format-sd "[serve@1 app=%[var(txn.serve_app)]]"
    use_backend b if TRUE
backend default_backend
    http-request return status 404 content-type text/plain lf-string "no"
backend b
    log global
    server r 127.0.0.1:1
listen stats
  bind *:8404
"""


def lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines()]


def test_what_is_complete_is_left_alone() -> None:
    once = complete(SERVES, HAProxyOptions())

    assert complete(once, HAProxyOptions(metrics_host="0.0.0.0")) == once


@pytest.mark.parametrize("missing", ["frontend http_frontend", "listen stats", "bind :9101", "404"])
def test_what_cannot_be_protected_is_not_started(missing: str) -> None:
    with pytest.raises(UnknownConfiguration):
        complete(SERVES.replace(missing, "other"), HAProxyOptions())


def test_serves_own_error_texts_and_splicing_go() -> None:
    found = complete(SERVES, HAProxyOptions())

    assert "errorfile 503" not in found
    assert "splice" not in found


def test_no_request_is_logged_but_those_that_haproxy_itself_ends() -> None:
    found = lines(complete(SERVES, HAProxyOptions()))

    [target] = [line for line in found if line.startswith("log ")]
    assert target == f"log fd@{DESCRIPTOR} format raw local0 notice"
    assert [line for line in found if line.startswith(("log-format", "option httplog"))] == [
        next(line for line in found if line.startswith('log-format "{'))
    ]
    assert "option log-health-checks" not in found
    assert "http-request set-log-level silent" in found


def test_the_log_is_a_file_of_the_nodes_home(tmp_path: Path) -> None:
    code = "import os; from cluster.ops.haproxy_log import DESCRIPTOR, open_log\n"
    code += f"open_log({str(tmp_path)!r}); os.write(DESCRIPTOR, b'one line')\n"
    code += "open_log('/dev/null/none'); os.write(DESCRIPTOR, b'lost')\n"
    code += "open_log(None); os.write(DESCRIPTOR, b'lost')"
    subprocess.run([sys.executable, "-S", "-c", code], cwd=ROOT, check=True)
    [log] = (tmp_path / "logs").glob("haproxy-*.log")

    assert log.read_bytes() == b"one line"
    assert log.stat().st_mode & 0o777 == 0o600


def test_the_newest_logs_remain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(haproxy_log, "MAX_FILES", 3)
    monkeypatch.setattr(haproxy_log, "DESCRIPTOR", os.open(os.devnull, os.O_WRONLY))
    folder = tmp_path / "logs"
    folder.mkdir()
    for number in range(5):
        log = folder / f"haproxy-{number}.log"
        log.touch()
        os.utime(log, (number, number))

    haproxy_log.open_log(str(tmp_path))

    os.close(haproxy_log.DESCRIPTOR)
    names = {each.name for each in folder.iterdir()}
    assert names == {"haproxy-3.log", "haproxy-4.log", f"haproxy-{os.getpid()}.log"}


@pytest.mark.parametrize(
    ("descriptors", "connections"), [(None, 4096), (20_000, 4096), (1024, 384), (100, 1)]
)
def test_connections_fit_what_may_be_open(descriptors: int | None, connections: int) -> None:
    assert f"maxconn {connections}" in lines(
        complete(SERVES, HAProxyOptions(descriptors=descriptors))
    )


def test_the_address_for_metrics_may_be_of_ipv6() -> None:
    assert "bind [::1]:9101" in lines(complete(SERVES, HAProxyOptions(metrics_host="::1")))
    assert "bind *:9101" in lines(complete(SERVES, HAProxyOptions(metrics_host="::")))


def test_tls_is_on_the_api_port_alone() -> None:
    found = complete(SERVES, HAProxyOptions(certificate=Path("/tmp/c.pem")))

    [bind] = [line for line in lines(found) if " ssl " in line]
    assert bind.startswith("bind 127.0.0.1:8000 ssl crt /tmp/c.pem ssl-min-ver TLSv1.2")


def test_options_come_from_the_environment() -> None:
    environment = {
        "MOBULA_TRUSTED_PROXIES": "10.0.0.0/8, fd00::/8",
        "MOBULA_CONNECTIONS_PER_SOURCE": "7",
        "MOBULA_REPEATABLE": "/a /b",
        "RAY_AUTH_TOKEN": "t",
    }
    found = read_options(environment, Path("/tmp"))

    assert found.trusted_proxies == ("10.0.0.0/8", "fd00::/8")
    assert (found.connections_per_source, found.repeatable) == (7, ("/a", "/b"))
    assert found.token == proxy_token(environment)
    with pytest.raises(ValueError, match="does not appear to be"):
        read_options({"MOBULA_TRUSTED_PROXIES": "10.0.0.0/8 } http-request allow"}, Path("/tmp"))


def test_the_admin_socket_is_where_serve_puts_it() -> None:
    text = "global\n    stats socket /tmp/m/1/admin.sock mode 666 level admin expose-fd listeners\n"

    assert admin_socket(text) == Path("/tmp/m/1/admin.sock")
    with pytest.raises(UnknownConfiguration):
        admin_socket("global\n")


def test_haproxys_arguments_name_the_files() -> None:
    assert configurations(["-db", "-f", "/a", "-dR", "-sf", "7"]) == [Path("/a")]


def test_without_a_token_of_the_cluster_nobody_is_believed(tmp_path: Path) -> None:
    file = tmp_path / "ray.token"
    file.write_text("secret\n")

    assert proxy_token({}) is None
    assert proxy_token({"RAY_AUTH_TOKEN_PATH": str(tmp_path / "none")}) is None
    from_file = proxy_token({"RAY_AUTH_TOKEN_PATH": str(file)})
    assert from_file == proxy_token({"RAY_AUTH_TOKEN": "secret"})
    assert from_file is not None
    assert "secret" not in from_file


@pytest.mark.parametrize(
    "problem",
    [
        InvalidRequest(""),
        Forbidden(""),
        NotFound(""),
        RequestTimeout(""),
        PayloadTooLarge(1),
        RateLimited("", 1.0, "r"),
        Problem(""),
        ReplicaLost("m"),
        Overloaded(""),
        DeadlineExceeded("proxy"),
    ],
    ids=lambda problem: problem.slug,
)
def test_haproxys_problems_are_those_of_the_ingress(problem: Problem) -> None:
    [own] = [each for each in PROBLEMS if each.status == problem.status]

    native = native_body(problem, "{id}")
    ours = _parsed(own.native())
    assert {k: native[k] for k in ("type", "title", "status")} == {
        k: ours[k] for k in ("type", "title", "status")
    }
    assert native.get("retry_after_s") == ours.get("retry_after_s")
    openai = openai_body(problem, "{id}")["error"]
    error = _parsed(own.openai())["error"]
    assert openai | {"message": own.detail, "param": None} == error


def _parsed(text: str) -> dict:  # type: ignore[type-arg]
    import json

    return json.loads(text)
