"""The guard: hostile URLs by the dozen, and what it answers to each."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.net.ssrf import MAX_URL, Resolve, SsrfGuard, UnsafeUrl

PUBLIC = "93.184.215.14"


def answers(*addresses: str) -> Resolve:
    async def resolve(host: str, port: int) -> list[str]:
        return list(addresses)

    return resolve


HOSTILE = [
    pytest.param("http://example.com/", "must be https", id="plain http"),
    pytest.param("ftp://example.com/", "must be https", id="ftp"),
    pytest.param("file:///etc/passwd", "must be https", id="file"),
    pytest.param("gopher://example.com/_x", "must be https", id="gopher"),
    pytest.param("javascript:alert(1)", "must read", id="javascript"),
    pytest.param("HTTPS://example.com/", "lower case", id="scheme in capitals"),
    pytest.param("//example.com/", "must read", id="no scheme"),
    pytest.param("https:example.com", "must read", id="no slashes"),
    pytest.param("https:///example.com", "not a valid", id="no host"),
    pytest.param("", "must read", id="empty"),
    pytest.param("https://", "not a valid", id="scheme only"),
    pytest.param("https://example.com/#@127.0.0.1/", "no fragment", id="fragment"),
    pytest.param("https://user:pw@example.com/", "user name", id="credentials"),
    pytest.param("https://example.com@127.0.0.1/", "user name", id="host as user name"),
    pytest.param("https://127.0.0.1:443@example.com/", "user name", id="address as user name"),
    pytest.param("https://@example.com/", "user name", id="empty user name"),
    pytest.param("https://example.com\\@127.0.0.1/", "backslash", id="backslash"),
    pytest.param("https://exa mple.com/", "printable ASCII", id="space"),
    pytest.param(" https://example.com/", "printable ASCII", id="leading space"),
    pytest.param("https://example.com/\r\nX-Evil: 1", "printable ASCII", id="header injection"),
    pytest.param("https://example.com/\x00", "printable ASCII", id="nul"),
    pytest.param("https://exam\tple.com/", "printable ASCII", id="tab that some parsers drop"),
    pytest.param("https://ⓔxample.com/", "xn--", id="circled letter"),
    pytest.param("https://127。0。0。1/", "xn--", id="ideographic dots"),
    pytest.param("https://\uff11\uff12\uff17.0.0.1/", "xn--", id="full-width digits"),
    pytest.param("https://ß.example.com/", "xn--", id="sharp s"),
    pytest.param("https://127.0.0.1/", "loopback", id="loopback"),
    pytest.param("https://127.1/", "four decimal numbers", id="short IPv4"),
    pytest.param("https://2130706433/", "four decimal numbers", id="decimal IPv4"),
    pytest.param("https://0x7f000001/", "four decimal numbers", id="hexadecimal IPv4"),
    pytest.param("https://0x7f.0x0.0x0.0x1/", "four decimal numbers", id="dotted hexadecimal"),
    pytest.param("https://0177.0.0.1/", "four decimal numbers", id="octal IPv4"),
    pytest.param("https://127.0.0.01/", "four decimal numbers", id="padded IPv4"),
    pytest.param("https://127.0.0.0x1/", "four decimal numbers", id="mixed IPv4"),
    pytest.param("https://127.0.0.0x/", "four decimal numbers", id="empty hexadecimal part"),
    pytest.param("https://256.1.1.1/", "valid IPv4", id="part over 255"),
    pytest.param("https://1.2.3.4.5/", "four decimal numbers", id="five parts"),
    pytest.param("https://example.com./", "not a valid", id="trailing dot"),
    pytest.param("https://127.0.0.1./", "not a valid", id="address with trailing dot"),
    pytest.param("https://.example.com/", "not a valid", id="leading dot"),
    pytest.param("https://a..b/", "not a valid", id="empty label"),
    pytest.param("https://-a.example.com/", "not a valid", id="leading hyphen"),
    pytest.param("https://%31%32%37.0.0.1/", "not a valid", id="percent-encoded host"),
    pytest.param("https://example.com%00.evil.com/", "not a valid", id="percent-encoded nul"),
    pytest.param(f"https://{'a' * 64}.com/", "not a valid", id="label over 63"),
    pytest.param(f"https://{'a.' * 130}com/", "not a valid", id="name over 253"),
    pytest.param("https://localhost/", "full domain name", id="localhost"),
    pytest.param("https://redis/", "full domain name", id="single label"),
    pytest.param("https://169.254.169.254/latest/", "link-local", id="metadata"),
    pytest.param("https://168.63.129.16/", "metadata", id="metadata in public space"),
    pytest.param("https://100.64.0.1/", "carrier-grade", id="carrier-grade NAT"),
    pytest.param("https://0.0.0.0/", "unspecified", id="unspecified"),
    pytest.param("https://224.0.0.1/", "multicast", id="multicast"),
    pytest.param("https://[::1]/", "loopback", id="IPv6 loopback"),
    pytest.param("https://[::ffff:127.0.0.1]/", "loopback", id="mapped loopback"),
    pytest.param("https://[::ffff:7f00:1]/", "loopback", id="mapped loopback in hexadecimal"),
    pytest.param("https://[64:ff9b::7f00:1]/", "loopback", id="NAT64 loopback"),
    pytest.param("https://[2002:7f00:1::]/", "tunnel", id="6to4"),
    pytest.param("https://[2001:0:1::1]/", "tunnel", id="Teredo"),
    pytest.param("https://[fd00:ec2::254]/", "metadata", id="IPv6 metadata"),
    pytest.param("https://[fe80::1]/", "link-local", id="IPv6 link-local"),
    pytest.param("https://[fe80::1%25eth0]/", "zone", id="zone id"),
    pytest.param("https://[2606:4700::1%eth0]/", "zone", id="zone id on a public address"),
    pytest.param("https://[::1/", "valid IPv6", id="unclosed bracket"),
    pytest.param("https://[::1]x/", "valid IPv6", id="text after bracket"),
    pytest.param("https://[127.0.0.1]/", "valid IPv6", id="IPv4 in brackets"),
    pytest.param("https://[v1.a]/", "valid IPv6", id="future IP literal"),
    pytest.param("https://::1/", "not a valid", id="IPv6 without brackets"),
    pytest.param("https://example.com:22/", "port 22", id="ssh"),
    pytest.param("https://example.com:25/", "port 25", id="smtp"),
    pytest.param("https://example.com:80/", "port 80", id="http port"),
    pytest.param("https://example.com:0/", "port 0", id="port 0"),
    pytest.param("https://example.com:65536/", "port 65536", id="port over the last"),
    pytest.param("https://example.com:/", "not a valid", id="empty port"),
    pytest.param("https://example.com:443:80/", "not a valid", id="two ports"),
    pytest.param("https://example.com:+443/", "not a valid", id="signed port"),
    pytest.param("https://example.com/" + "a" * MAX_URL, str(MAX_URL), id="too long"),
]
GOOD = [
    "https://example.com",
    "https://example.com/hooks?a=1&b=%20",
    "https://EXAMPLE.com/",
    "https://hooks.example.co.uk:8443/x/y",
    "https://xn--bcher-kva.example/",
    "https://a_b.example.com/",
    f"https://{PUBLIC}/",
    "https://[2606:4700::1111]:8443/",
]


@pytest.mark.parametrize(("url", "reason"), HOSTILE)
async def test_a_hostile_url_is_refused_with_field_and_reason(url: str, reason: str) -> None:
    guard = SsrfGuard(resolve=answers(PUBLIC))

    with pytest.raises(UnsafeUrl) as refused:
        await guard.target(url)

    assert reason in refused.value.extensions["reason"]
    assert refused.value.param == "url"
    assert refused.value.status == 400
    assert refused.value.detail.startswith("url: ")


@pytest.mark.parametrize("url", GOOD)
async def test_a_public_url_is_allowed_and_leads_to_the_resolved_address(url: str) -> None:
    target = await SsrfGuard(resolve=answers(PUBLIC)).target(url)

    assert len(target.addresses) == 1
    assert target.location.port in (443, 8443)


@pytest.mark.parametrize(
    "addresses",
    [
        ("10.0.0.1",),
        (PUBLIC, "127.0.0.1"),
        ("2606:4700::1", "::ffff:169.254.169.254"),
        ("fe80::1%eth0",),
        ("64:ff9b::a00:1",),
    ],
)
async def test_a_name_with_any_address_that_is_not_public_is_refused(
    addresses: tuple[str, ...],
) -> None:
    with pytest.raises(UnsafeUrl, match="not public") as refused:
        await SsrfGuard(resolve=answers(*addresses)).target("https://inside.example.com/")

    assert not any(address in refused.value.detail for address in addresses)


async def test_a_name_that_does_not_resolve_is_refused() -> None:
    async def fails(host: str, port: int) -> list[str]:
        raise OSError("no such host")

    for resolve in (fails, answers(), answers("not an address")):
        with pytest.raises(UnsafeUrl, match="does not resolve"):
            await SsrfGuard(resolve=resolve).target("https://nowhere.example.com/")


async def test_a_name_server_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    async def hangs(host: str, port: int) -> list[str]:
        await asyncio.Event().wait()
        return []

    monkeypatch.setattr("cluster.net.ssrf.RESOLVE_S", 0.01)
    with pytest.raises(UnsafeUrl, match="does not resolve"):
        await SsrfGuard(resolve=hangs).target("https://slow.example.com/")


async def test_a_name_is_resolved_once() -> None:
    asked: list[str] = []

    async def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return [PUBLIC]

    await SsrfGuard(resolve=resolve).target("https://Example.com/")

    assert asked == ["example.com"]


@pytest.mark.parametrize(
    "url",
    ["http://localhost:8080/x", "http://127.0.0.1/", "https://10.1.2.3:22/", "http://[::1]:9/"],
)
async def test_a_private_install_may_reach_its_own_hosts(url: str) -> None:
    guard = SsrfGuard(private_hosts=True, resolve=answers("127.0.0.1"))
    assert (await guard.target(url)).addresses


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest/meta-data/",
        "http://[fd00:ec2::254]/",
        "http://168.63.129.16/",
        "http://0.0.0.0/",
        "http://224.0.0.1/",
        "http://255.255.255.255/",
        "http://user@localhost/",
        "ftp://localhost/",
    ],
)
async def test_even_a_private_install_never_reaches_metadata_or_odd_forms(url: str) -> None:
    with pytest.raises(UnsafeUrl):
        await SsrfGuard(private_hosts=True, resolve=answers("127.0.0.1")).target(url)


async def test_the_field_at_fault_can_be_named_by_the_caller() -> None:
    with pytest.raises(UnsafeUrl) as refused:
        await SsrfGuard().target("https://127.0.0.1/", param="source.url")
    assert refused.value.param == "source.url"


async def test_the_machine_s_own_resolver_is_asked_by_default() -> None:
    guard = SsrfGuard(private_hosts=True)
    target = await guard.target("http://localhost/")
    guard.close()
    assert {str(address) for address in target.addresses} <= {"127.0.0.1", "::1"}


@given(st.text(max_size=60), st.text(max_size=20))
def test_no_text_makes_the_guard_fail_in_another_way(host: str, path: str) -> None:
    for url in (host, f"https://{host}/{path}", f"https://{host}"):
        try:
            location = SsrfGuard().check(url)
        except UnsafeUrl:
            continue
        assert location.scheme == "https"
        assert location.host.isascii()
