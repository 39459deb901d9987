"""TLS at HAProxy: what is served, and what happens when the files change."""

import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from cryptography import x509

from load_tests.benchmarks.common.haproxy_process import HAProxyProcess
from tests.contract.haproxy.certificates import Authority
from tests.contract.haproxy.replica import Replica


class Served:
    """HAProxy with a certificate of `authority`; `chain` and `key` are the operator's files."""

    def __init__(
        self, haproxy: HAProxyProcess, authority: Authority, chain: Path, key: Path
    ) -> None:
        self.haproxy, self.authority, self.chain, self.key = haproxy, authority, chain, key

    def context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.authority.file)

    def connect(self, context: ssl.SSLContext | None = None) -> ssl.SSLSocket:
        plain = socket.create_connection(("127.0.0.1", self.haproxy.http_port), 5)
        return (context or self.context()).wrap_socket(plain, server_hostname="127.0.0.1")

    def name(self) -> str:
        """The certificate's, of a new connection."""
        with self.connect() as connection:
            found = connection.getpeercert(binary_form=True)
        assert found is not None
        subject = x509.load_der_x509_certificate(found).subject
        return str(subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value)


@pytest.fixture
def served(replica: Replica, tmp_path: Path) -> Iterator[Served]:
    chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    authority = Authority(tmp_path)
    authority.issue("first", chain, key)
    settings = {"MOBULA_TLS_CERT_FILE": str(chain), "MOBULA_TLS_KEY_FILE": str(key)}
    with HAProxyProcess(replica.port, **settings) as haproxy:
        yield Served(haproxy, authority, chain, key)


def _eventually(holds: Callable[[], bool], within_s: float = 20.0) -> None:
    until = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.05)


def test_the_application_learns_that_it_is_https(served: Served) -> None:
    seen = httpx.get(f"{served.haproxy.url}/", verify=served.context()).json()

    assert (seen["scheme"], seen["client"]) == ("https", "127.0.0.1")


def test_tls_below_12_is_refused(served: Served) -> None:
    context = served.context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with served.connect(context) as connection:
        assert connection.version() == "TLSv1.2"
    asked = subprocess.run(
        ["openssl", "s_client", "-tls1_1", "-cipher", "ALL:@SECLEVEL=0"]
        + ["-connect", f"127.0.0.1:{served.haproxy.http_port}"],
        input="", capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert asked.returncode != 0
    assert "alert protocol version" in asked.stderr


def test_a_changed_certificate_is_taken_and_open_connections_go_on(served: Served) -> None:
    with httpx.Client(base_url=served.haproxy.url, verify=served.context()) as client:
        assert client.get("/").status_code == 200
        served.authority.issue("second", served.chain, served.key)
        _eventually(lambda: served.name() == "second")
        assert client.get("/").status_code == 200
    assert served.haproxy.show("show info").count("Pid: ") == 1


def test_a_certificate_without_its_key_changes_nothing(served: Served, tmp_path: Path) -> None:
    """As in the moment between the replacement of one file and of the other."""
    other = tmp_path / "other.pem"
    served.authority.issue("third", served.chain, other)
    _eventually(lambda: "was not changed" in served.haproxy.log())
    assert served.name() == "first"

    shutil.copy(other, served.key)
    _eventually(lambda: served.name() == "third")


def test_a_reload_keeps_the_certificate_where_the_files_are_broken(served: Served) -> None:
    served.key.write_text("no key")

    old = served.haproxy.reload()

    assert served.name() == "first"
    assert old.wait(5) == 0


def test_a_start_with_files_that_do_not_fit_says_why(served: Served, tmp_path: Path) -> None:
    (served.haproxy.folder / "certificate.pem").unlink()
    served.authority.issue("fourth", served.chain, tmp_path / "other.pem")

    served.haproxy.config.write_text(served.haproxy.config.read_text().partition("\n")[2])
    checked = subprocess.run(
        [served.haproxy.script, "-c", "-f", str(served.haproxy.config)],
        env=served.haproxy.environment, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert checked.returncode == 1
    assert "cannot be used" in checked.stderr


def test_the_watcher_ends_with_haproxy(served: Served) -> None:
    import psutil

    [watcher] = psutil.Process(served.haproxy.pid).children()
    _eventually(lambda: "cluster.ops.certificate" in watcher.cmdline())
    assert str(served.haproxy.config) not in watcher.cmdline()  # Serve would count it as HAProxy

    served.haproxy.__exit__(None, None, None)

    _eventually(lambda: not watcher.is_running() or watcher.status() == psutil.STATUS_ZOMBIE)
