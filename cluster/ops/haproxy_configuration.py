"""What Mobula adds to and changes in the configuration that Serve writes for HAProxy.

Flows in: Serve's text and `HAProxyOptions`. Flows out: the text that HAProxy starts with, or
`UnknownConfiguration` where Serve's differs from that of the pinned Ray version: a protection that
cannot be put in place must not be left out silently. Nothing but the standard library.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from cluster.ops.haproxy_problems import error_lines
from cluster.ops.serve_headers import DECODED, REQUEST_ID, STEERING

MARK = "# completed by cluster/ops/haproxy_configuration.py"
TOKEN_HEADER = "x-mobula-proxy-token"  # proves to a replica that a request came through HAProxy

# Beside X-Forwarded-*: what proxies say of the client. Nobody's word is taken in these forms.
FORWARDING = ("forwarded", "(x-real|x-client|x-cluster-client|true-client|cf-connecting)-ip")

TUNNEL_S = 3600  # an upgraded connection (WebSocket) without a byte in either direction
DESCRIPTORS_BESIDE = 256  # listeners, checks, logs, pipes

_ADMIN = re.compile(r"^\s+stats socket (\S+) .*level admin", re.MULTILINE)
_FRONTEND = "frontend http_frontend"
_BIND = re.compile(r"^(\s+bind )(\S+)$")
_ANY_HOST = re.compile(r"^\*?:(\d+)$")
_Change = Callable[[str], str]
_NO_ROUTE = re.compile(r"^\s+http-request return status 404 content-type text/plain lf-string ")


class UnknownConfiguration(Exception):
    """Serve's configuration lacks a line that is to be changed."""


@dataclass(frozen=True, slots=True)
class HAProxyOptions:
    """`trusted_proxies` are networks. `header_timeout_s` is the time from a connection's start, or
    a request's first byte, to the end of its headers, and for a body that is kept until the answer
    begins. `certificate` is a PEM file with chain and key (None: plain HTTP). `token` proves to
    replicas who forwarded a request. `descriptors` is how many files the process may open."""

    repeatable: tuple[str, ...] = ()
    trusted_proxies: tuple[str, ...] = ()
    metrics_host: str = "127.0.0.1"
    connections_per_source: int = 1024
    header_timeout_s: int = 10
    certificate: Path | None = None
    token: str | None = None
    descriptors: int | None = None


def complete(text: str, options: HAProxyOptions) -> str:
    """The whole configuration. Text that is complete already is returned as it is.

    Raises UnknownConfiguration.
    """
    if text.startswith(MARK):
        return text
    sections = _sections(text)
    for needed in ("global", "defaults", "frontend prometheus", _FRONTEND, "listen stats"):
        if needed not in sections:
            raise UnknownConfiguration(f"there is no section '{needed}'")
    served = any(line.split()[:1] == ["use_backend"] for line in sections[_FRONTEND])
    made = [MARK]
    for name, lines in sections.items():
        made += [name, *_changed(name, lines, options, served=served)]
    return "\n".join(made) + "\n"


def admin_socket(text: str) -> Path:
    """Where HAProxy takes commands. Raises UnknownConfiguration."""
    found = _ADMIN.search(text)
    if found is None:
        raise UnknownConfiguration("there is no admin socket")
    return Path(found[1])


def most_connections(descriptors: int) -> int:
    """How many connections fit: each takes two descriptors, one to the client, one to a replica."""
    return max(1, (descriptors - DESCRIPTORS_BESIDE) // 2)


def _sections(text: str) -> dict[str, list[str]]:
    """Lines by the section's first line, in order; lines of a section are indented."""
    sections: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in text.splitlines():
        if line and not line[0].isspace() and not line.startswith("#"):
            lines = sections.setdefault(line.strip(), [])
        else:
            lines.append(line)
    return sections


def _changed(name: str, lines: list[str], options: HAProxyOptions, *, served: bool) -> list[str]:
    if name == "global":
        return _fitting(lines, options.descriptors)
    if name == "defaults":
        # Splicing is off (`-dS`); its options would still reserve descriptors for pipes.
        dropped = ("errorfile ", "option splice-")
        kept = [line for line in lines if not line.strip().startswith(dropped)]
        return [*kept, f"    timeout tunnel {TUNNEL_S}s"]
    if name == "frontend prometheus":
        return _bound(lines, options.metrics_host)
    if name == "listen stats":
        return _bound(lines, "127.0.0.1")
    if name == _FRONTEND:
        return _http_frontend(lines, options)
    if name == "backend default_backend":
        return _without_route(lines, served=served)
    return lines


def _fitting(lines: list[str], descriptors: int | None) -> list[str]:
    """HAProxy does not start where its connections need more descriptors than it may open."""
    if descriptors is None:
        return lines
    most = most_connections(descriptors)
    return [
        f"    maxconn {most}" if words[:1] == ["maxconn"] and int(words[1]) > most else line
        for line in lines
        for words in [line.split()]
    ]


def _bound(lines: list[str], host: str) -> list[str]:
    """A port that is open to every interface, on `host` alone."""
    shown = "*" if host in ("0.0.0.0", "::") else f"[{host}]" if ":" in host else host
    return list(_rebound(lines, lambda address: f"{shown}:{_port(address)}"))


def _rebound(lines: list[str], change: _Change) -> Iterator[str]:
    found = False
    for line in lines:
        match = _BIND.match(line)
        if match is None:
            yield line
            continue
        found = True
        yield match[1] + change(match[2])
    if not found:
        raise UnknownConfiguration("a section has no `bind`")


def _port(address: str) -> str:
    match = _ANY_HOST.match(address)
    if match is None:
        raise UnknownConfiguration(f"'bind {address}' is not a port of every interface")
    return match[1]


def _http_frontend(lines: list[str], options: HAProxyOptions) -> list[str]:
    tls = ""
    if options.certificate is not None:
        tls = f" ssl crt {options.certificate} ssl-min-ver TLSv1.2 alpn http/1.1"
    made: list[str] = []
    for line in _rebound(lines, lambda address: address + tls):
        made.append(line)
        if _BIND.match(line[: len(line) - len(tls)]):
            made += [f"    {rule}" for rule in _rules(options)]
    return made


def _rules(options: HAProxyOptions) -> Iterator[str]:
    yield from _slow_clients(options)
    yield from error_lines()
    yield from _removed_headers()
    yield from _identification()
    yield from _methods()
    yield from _forwarding(options)
    yield from _repetition(options)


def _slow_clients(options: HAProxyOptions) -> Iterator[str]:
    """A source is one client, except where it is a proxy that others stand behind."""
    if options.trusted_proxies:
        yield f"acl from_trusted_proxy src {' '.join(options.trusted_proxies)}"
    yield f"timeout http-request {options.header_timeout_s}s"
    yield "option dontlognull"  # a line for each connection that sent nothing would cost more
    yield "stick-table type ipv6 size 100k expire 60s store conn_cur"
    unless = " unless from_trusted_proxy" if options.trusted_proxies else ""
    yield f"tcp-request connection track-sc0 src{unless}"
    limit = options.connections_per_source
    yield f"tcp-request connection reject if {{ sc0_conn_cur gt {limit} }}"


def _identification() -> Iterator[str]:
    """What error bodies need: the dialect, and an id that replicas will use too."""
    yield "http-request set-var(txn.openai) bool(0)"
    yield "http-request set-var(txn.openai) bool(1) if { path /v1 } || { path_beg /v1/ }"
    sane = f"{{ req.fhdr(x-request-id) -m reg ^{REQUEST_ID}$ }}"
    yield f"http-request del-header x-request-id unless {sane}"
    yield "http-request del-header x-request-id if { req.fhdr_cnt(x-request-id) gt 1 }"
    given = "{ req.fhdr(x-request-id) -m found }"
    yield f"http-request set-header x-request-id req_%[uuid,regsub(-,,g)] unless {given}"
    yield "http-request set-var(txn.request_id) req.fhdr(x-request-id)"


def _methods() -> Iterator[str]:
    """Methods that no route has go no further. Serve makes a metric series of every method in
    HAProxy's log, and never drops one, so they leave no line there."""
    yield "acl known_method method GET HEAD POST PUT PATCH DELETE OPTIONS"
    yield "http-request set-log-level silent if !known_method"
    yield "http-request return status 501 default-errorfiles if !known_method"


def _forwarding(options: HAProxyOptions) -> Iterator[str]:
    """Whoever is not trusted says nothing about where its request came from."""
    if options.trusted_proxies:
        yield "http-request del-header x-forwarded- -m beg unless from_trusted_proxy"
        yield "http-request del-header ^x-forwarded-(?!(for|proto)$) -m reg"
    else:
        yield "http-request del-header x-forwarded- -m beg"
    yield "http-request add-header x-forwarded-for %[src]"
    scheme = "http-request set-header x-forwarded-proto"
    unknown = "!{ req.hdr(x-forwarded-proto) -m found }"
    yield f"{scheme} https if {{ ssl_fc }} {unknown}"
    yield f"{scheme} http if {unknown}"
    if options.token is not None:
        yield f"http-request set-header {TOKEN_HEADER} {options.token}"


def _removed_headers() -> Iterator[str]:
    """In one expression, because each is tried on every header. Serve reads either spelling."""
    steering = [name.replace("-", "[-_]") for name in sorted(STEERING)]
    spelt = [f"(?!{name}$){name.replace('-', '[-_]')}" for name in sorted(DECODED) if "-" in name]
    names = "|".join((*steering, *spelt, *FORWARDING, TOKEN_HEADER))
    yield f"http-request del-header ^({names})$ -m reg"
    for name in sorted(DECODED - {"x-request-id"}):
        yield f"http-request del-header {name} if {{ req.fhdr({name}) -m reg [^\\x20-\\x7e] }}"


def _repetition(options: HAProxyOptions) -> Iterator[str]:
    """A request that only computes something goes to another ingress replica when the one that had
    it died before the first byte of its answer: it is kept until then, and repeated."""
    if not options.repeatable:
        return
    yield f"acl repeatable path {' '.join(options.repeatable)}"
    yield "acl once req.hdr(idempotency-key) -m found"
    yield "http-request disable-l7-retry unless METH_GET || METH_POST repeatable !once"
    yield f"http-request wait-for-body time {options.header_timeout_s}s if METH_POST repeatable"


def _without_route(lines: list[str], *, served: bool) -> list[str]:
    """Before any application is there, a path may yet be served: 503 instead of 404."""
    status = 404 if served else 503
    made = [
        f"    http-request return status {status} default-errorfiles"
        if _NO_ROUTE.match(line)
        else line
        for line in lines
    ]
    if made == lines:
        raise UnknownConfiguration("the default backend does not answer 404")
    return made
