"""Extends the configuration that Serve writes for HAProxy.

In: Serve's text and `HAProxyOptions`. Out: the text that HAProxy starts with. Raises
`UnknownConfiguration` if Serve's text is not that of the pinned Ray version: a protection must not
be omitted silently. Standard library only.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from cluster.ops.haproxy_log import log_rules, log_sections, without_serves_logs
from cluster.ops.haproxy_problems import error_lines
from cluster.ops.serve_headers import DECODED, REQUEST_ID, STEERING

MARK = "# completed by cluster/ops/haproxy_configuration.py"
TOKEN_HEADER = "x-mobula-proxy-token"  # proves to a replica that a request came through HAProxy

# Headers beside X-Forwarded-* in which proxies name the client. Removed from every request.
FORWARDING_HEADERS = (
    "forwarded",
    "(x-real|x-client|x-cluster-client|true-client|cf-connecting)-ip",
)

TUNNEL_S = 3600  # an upgraded connection (WebSocket) without a byte in either direction
RESERVED_DESCRIPTORS = 256  # listeners, checks, logs, pipes

_ADMIN = re.compile(r"^\s+stats socket (\S+) .*level admin", re.MULTILINE)
_FRONTEND = "frontend http_frontend"
_BIND = re.compile(r"^(\s+bind )(\S+)$")
_ANY_HOST = re.compile(r"^\*?:(\d+)$")
_Change = Callable[[str], str]
_SEGMENT = re.compile(r"\{[^}]*\}")  # of a path
_NO_ROUTE = re.compile(r"^\s+http-request return status 404 content-type text/plain lf-string ")


class UnknownConfiguration(Exception):
    """Serve's configuration lacks a line that has to be changed."""


@dataclass(frozen=True, slots=True)
class HAProxyOptions:
    """`trusted_proxies` are networks. `header_timeout_s` limits the time from a connection's start,
    or a request's first byte, to the end of the headers, and the time for a buffered body.
    `certificate` is a PEM file with chain and key (None: plain HTTP). `token` proves to replicas
    that HAProxy forwarded a request. `descriptors` is the process's limit of open files."""

    repeatable: tuple[str, ...] = ()
    trusted_proxies: tuple[str, ...] = ()
    metrics_host: str = "127.0.0.1"
    connections_per_source: int = 1024
    header_timeout_s: int = 10
    certificate: Path | None = None
    token: str | None = None
    descriptors: int | None = None


def complete(text: str, options: HAProxyOptions) -> str:
    """The complete configuration; text that is complete already is returned unchanged.

    Raises UnknownConfiguration.
    """
    if text.startswith(MARK):
        return text
    sections = _sections(text)
    for needed in ("global", "defaults", "frontend prometheus", _FRONTEND, "listen stats"):
        if needed not in sections:
            raise UnknownConfiguration(f"there is no section '{needed}'")
    has_routes = any(line.split()[:1] == ["use_backend"] for line in sections[_FRONTEND])
    output = [MARK]
    for name, lines in sections.items():
        lines = without_serves_logs(lines)
        output += [name, *_change_section(name, lines, options, has_routes=has_routes)]
    output += log_sections()
    return "\n".join(output) + "\n"


def admin_socket(text: str) -> Path:
    """Path of HAProxy's admin socket. Raises UnknownConfiguration."""
    match = _ADMIN.search(text)
    if match is None:
        raise UnknownConfiguration("there is no admin socket")
    return Path(match[1])


def max_connections(descriptors: int) -> int:
    """Connections within the limit: each needs two descriptors, to the client and to a replica."""
    return max(1, (descriptors - RESERVED_DESCRIPTORS) // 2)


def _sections(text: str) -> dict[str, list[str]]:
    """Lines by section header, in order; the lines of a section are indented."""
    sections: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in text.splitlines():
        if line and not line[0].isspace() and not line.startswith("#"):
            lines = sections.setdefault(line.strip(), [])
        else:
            lines.append(line)
    return sections


def _change_section(
    name: str, lines: list[str], options: HAProxyOptions, *, has_routes: bool
) -> list[str]:
    if name == "global":
        return _limit_connections(lines, options.descriptors)
    if name == "defaults":
        # Splicing is off (`-dS`), but its options would still reserve descriptors for pipes.
        removed = ("errorfile ", "option splice-")
        remaining = [line for line in lines if not line.strip().startswith(removed)]
        return [*remaining, f"    timeout tunnel {TUNNEL_S}s"]
    if name == "frontend prometheus":
        return _bind_to(lines, options.metrics_host)
    if name == "listen stats":
        return _bind_to(lines, "127.0.0.1")
    if name == _FRONTEND:
        return _http_frontend(lines, options)
    if name == "backend default_backend":
        return _no_route_status(lines, has_routes=has_routes)
    return lines


def _limit_connections(lines: list[str], descriptors: int | None) -> list[str]:
    """Lowers `maxconn` to the descriptor limit; HAProxy would not start otherwise."""
    if descriptors is None:
        return lines
    limit = max_connections(descriptors)
    return [
        f"    maxconn {limit}" if words[:1] == ["maxconn"] and int(words[1]) > limit else line
        for line in lines
        for words in [line.split()]
    ]


def _bind_to(lines: list[str], host: str) -> list[str]:
    """Binds a port of every interface to `host` only."""
    host_part = "*" if host in ("0.0.0.0", "::") else f"[{host}]" if ":" in host else host
    return list(_change_binds(lines, lambda address: f"{host_part}:{_port(address)}"))


def _change_binds(lines: list[str], change: _Change) -> Iterator[str]:
    has_bind = False
    for line in lines:
        match = _BIND.match(line)
        if match is None:
            yield line
            continue
        has_bind = True
        yield match[1] + change(match[2])
    if not has_bind:
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
    output: list[str] = []
    for line in _change_binds(lines, lambda address: address + tls):
        output.append(line)
        if _BIND.match(line[: len(line) - len(tls)]):
            output += [f"    {rule}" for rule in _rules(options)]
    return output


def _rules(options: HAProxyOptions) -> Iterator[str]:
    yield from _slow_client_limits(options)
    yield from log_rules()
    yield from error_lines()
    yield from _remove_headers()
    yield from _request_identity()
    yield from _known_methods()
    yield from _forwarded_headers(options)
    yield from _retry_rules(options)


def _slow_client_limits(options: HAProxyOptions) -> Iterator[str]:
    """Timeouts, and a connection limit for each source address that is no trusted proxy."""
    if options.trusted_proxies:
        yield f"acl from_trusted_proxy src {' '.join(options.trusted_proxies)}"
    yield f"timeout http-request {options.header_timeout_s}s"
    yield "option dontlognull"  # do not log connections without a request
    yield "stick-table type ipv6 size 100k expire 60s store conn_cur"
    unless = " unless from_trusted_proxy" if options.trusted_proxies else ""
    yield f"tcp-request connection track-sc0 src{unless}"
    limit = options.connections_per_source
    yield f"tcp-request connection reject if {{ sc0_conn_cur gt {limit} }}"


def _request_identity() -> Iterator[str]:
    """Variables for error bodies: the API dialect, and the request id that replicas use too."""
    yield "http-request set-var(txn.openai) bool(0)"
    paths = "{ path /v1 } || { path_beg /v1/ /openai/ }"
    yield f"http-request set-var(txn.openai) bool(1) if {paths}"
    valid_id = f"{{ req.fhdr(x-request-id) -m reg ^{REQUEST_ID}$ }}"
    yield f"http-request del-header x-request-id unless {valid_id}"
    yield "http-request del-header x-request-id if { req.fhdr_cnt(x-request-id) gt 1 }"
    has_id = "{ req.fhdr(x-request-id) -m found }"
    yield f"http-request set-header x-request-id req_%[uuid,regsub(-,,g)] unless {has_id}"
    yield "http-request set-var(txn.request_id) req.fhdr(x-request-id)"


def _known_methods() -> Iterator[str]:
    """Refuses methods that no route has."""
    yield "acl known_method method GET HEAD POST PUT PATCH DELETE OPTIONS"
    yield "http-request return status 501 default-errorfiles if !known_method"


def _forwarded_headers(options: HAProxyOptions) -> Iterator[str]:
    """Accepts X-Forwarded-* of trusted proxies only, and adds the source address."""
    if options.trusted_proxies:
        yield "http-request del-header x-forwarded- -m beg unless from_trusted_proxy"
        yield "http-request del-header ^x-forwarded-(?!(for|proto)$) -m reg"
    else:
        yield "http-request del-header x-forwarded- -m beg"
    yield "http-request add-header x-forwarded-for %[src]"
    scheme = "http-request set-header x-forwarded-proto"
    unless_set = "!{ req.hdr(x-forwarded-proto) -m found }"
    yield f"{scheme} https if {{ ssl_fc }} {unless_set}"
    yield f"{scheme} http if {unless_set}"
    if options.token is not None:
        yield f"http-request set-header {TOKEN_HEADER} {options.token}"


def _remove_headers() -> Iterator[str]:
    """Removes headers in one expression, as each rule runs on every header. Covers `-` and `_`."""
    steering = [name.replace("-", "[-_]") for name in sorted(STEERING)]
    other_spellings = [
        f"(?!{name}$){name.replace('-', '[-_]')}" for name in sorted(DECODED) if "-" in name
    ]
    names = "|".join((*steering, *other_spellings, *FORWARDING_HEADERS, TOKEN_HEADER))
    yield f"http-request del-header ^({names})$ -m reg"
    for name in sorted(DECODED - {"x-request-id"}):
        yield f"http-request del-header {name} if {{ req.fhdr({name}) -m reg [^\\x20-\\x7e] }}"


def _retry_rules(options: HAProxyOptions) -> Iterator[str]:
    """Retries an idempotent request on another ingress replica if the first died before the first
    byte of the response; the request is buffered until then. One that saves what it generates is
    not: the replica may have saved it."""
    if not options.repeatable:
        return
    whole = [path for path in options.repeatable if "{" not in path]
    if whole:
        yield f"acl repeatable path {' '.join(whole)}"
    for path in options.repeatable:
        if path not in whole:
            yield f"acl repeatable path -m reg ^{_SEGMENT.sub('[^/]+', path)}$"
    yield f"http-request wait-for-body time {options.header_timeout_s}s if METH_POST repeatable"
    yield "acl once req.hdr(idempotency-key) -m found"
    yield "acl saves req.body -m sub '\"save\"'"
    yield "http-request disable-l7-retry unless METH_GET || METH_POST repeatable !once !saves"


def _no_route_status(lines: list[str], *, has_routes: bool) -> list[str]:
    """The status for unknown paths: 503 until an application is deployed, then 404."""
    status = 404 if has_routes else 503
    changed = [
        f"    http-request return status {status} default-errorfiles"
        if _NO_ROUTE.match(line)
        else line
        for line in lines
    ]
    if changed == lines:
        raise UnknownConfiguration("the default backend does not answer 404")
    return changed
