"""TLS: what is refused at the start, and which server this machine's commands take for theirs."""

import ssl
from pathlib import Path

import pytest
from pydantic import ValidationError

from cluster.ops.certificate import MAX_PEM_BYTES, BadCertificate, install, read_certificate
from cluster.ops.descriptors import Descriptors
from cluster.ops.tls import certificate_of, scheme, tls_error, verification
from cluster.runtime.settings import Settings
from tests.contract.haproxy.certificates import Authority

Files = tuple[Path, Path]


@pytest.fixture
def files(tmp_path: Path) -> Files:
    chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    Authority(tmp_path).issue("mobula", chain, key)
    return chain, key


def settings(files: Files) -> Settings:
    return Settings(tls_cert_file=files[0], tls_key_file=files[1])


def test_the_plain_profile_refuses_tls(files: Files) -> None:
    assert tls_error(settings(files), "fast") is None
    found = tls_error(settings(files), "plain")
    assert found is not None
    assert "--profile fast" in found


def test_a_certificate_and_another_key_are_refused(files: Files, tmp_path: Path) -> None:
    Authority(tmp_path).issue("other", tmp_path / "other.pem", files[1])

    found = tls_error(settings(files), "fast")

    assert found is not None
    assert "cannot be used" in found


def test_a_missing_file_is_named(files: Files) -> None:
    files[1].unlink()

    with pytest.raises(BadCertificate, match="key.pem"):
        read_certificate(*files)


def test_a_chain_that_is_too_long_for_haproxy_is_refused(files: Files) -> None:
    files[0].write_bytes(files[0].read_bytes() * (1 + MAX_PEM_BYTES // files[0].stat().st_size))

    with pytest.raises(BadCertificate, match=str(MAX_PEM_BYTES)):
        read_certificate(*files)


def test_what_haproxy_reads_is_private(files: Files, tmp_path: Path) -> None:
    install(*files, tmp_path / "made.pem")

    assert (tmp_path / "made.pem").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("one", ["tls_cert_file", "tls_key_file"])
def test_one_file_without_the_other_is_refused(one: str) -> None:
    with pytest.raises(ValidationError, match="go together"):
        Settings(**{one: Path("/a")})  # type: ignore[arg-type]


def test_the_url_says_https(files: Files) -> None:
    assert (scheme(Settings()), scheme(settings(files))) == ("http", "https")
    assert certificate_of(Settings()) == ""


def test_commands_take_their_own_certificate_whatever_it_names_and_no_other(
    files: Files, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    Authority(other).issue("mobula", other / "chain.pem", other / "key.pem")

    assert verification("") is True
    assert _handshake(files, verification(str(files[0])))
    assert not _handshake((other / "chain.pem", other / "key.pem"), verification(str(files[0])))


def _handshake(server: Files, client: ssl.SSLContext | bool) -> bool:
    """In memory: whether a client with that context takes a server with those files."""
    assert isinstance(client, ssl.SSLContext)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*server)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    asking = client.wrap_bio(to_client, to_server, server_hostname="127.0.0.1")
    answering = context.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(4):
        for side in (asking, answering):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLCertVerificationError:
                return False
    return asking.version() is not None


@pytest.mark.parametrize(
    ("hard", "complains"), [(None, False), (1_048_576, False), (4096, True), (20_000, True)]
)
def test_too_few_descriptors_are_said(hard: int | None, complains: bool) -> None:
    found = Descriptors(1024, hard).warning(16_384)

    assert (found is not None) is complains
    if found is not None:
        assert "ulimit -Hn" in found


@pytest.mark.parametrize("value", ["10.0.0.1/8", "all", "10.0.0.0/33"])
def test_a_trusted_proxy_is_a_network(value: str) -> None:
    with pytest.raises(ValidationError):
        Settings(trusted_proxies=(value,))
