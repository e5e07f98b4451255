"""Who may ask the dashboard's server, and what its pages may load."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from ipaddress import ip_address
from typing import Final

from flask import Flask, Response, abort, request

LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")

_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def host_name(host: str) -> str:
    """The name in a ``Host`` header, without its port.

    >>> host_name("127.0.0.1:8050"), host_name("[::1]:8050"), host_name("LOCALHOST")
    ('127.0.0.1', '::1', 'localhost')
    """
    host = host.strip().lower()
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.rpartition(":")[0] if host.count(":") == 1 else host


def content_policy(script_hashes: Sequence[str]) -> str:
    """What a browser may load: this server's own files, and the inline scripts of these hashes.

    Plotly compiles its WebGL code at run time, which needs ``unsafe-eval``; style attributes are
    what figures, tables and layout are drawn with.
    """
    hashes = " ".join(f"'{each.strip(chr(39))}'" for each in script_hashes)
    return (
        "default-src 'none'; "
        f"script-src 'self' 'unsafe-eval' {hashes}; "
        "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
        "connect-src 'self'; worker-src blob:; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )


def is_address(name: str) -> bool:
    """Whether a host name is an address in figures.

    >>> is_address("192.168.1.20"), is_address("fe80::1"), is_address("dse.example")
    (True, True, False)
    """
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def guard(
    server: Flask,
    hosts: Collection[str],
    script_hashes: Sequence[str],
    *,
    by_address: bool = False,
) -> None:
    """Refuse requests that name another host or come from another page, and set the headers.

    A page of any other site can make a browser ask this server; it cannot make it name this host
    (DNS rebinding changes where a name leads, not the name) nor hide where the request came from.

    Args:
        server: to guard.
        hosts: names by which it may be asked.
        script_hashes: of the inline scripts in its pages.
        by_address: whether any address in figures is a name of it too: rebinding takes a name.
    """
    allowed = frozenset(map(str.lower, hosts))

    def is_own(name: str) -> bool:
        return name in allowed or (by_address and is_address(name))

    policy = content_policy(script_hashes)

    @server.before_request
    def refuse_foreign() -> None:
        origin = request.headers.get("Origin", "")
        if not is_own(host_name(request.host)):
            abort(403, description="This host name is not served here.")
        if origin and origin.partition("://")[2].lower() != request.host.lower():
            abort(403, description="Requests of other sites are not answered.")
        if request.headers.get("Sec-Fetch-Site", "same-origin") == "cross-site":
            abort(403, description="Requests of other sites are not answered.")

    @server.after_request
    def with_headers(response: Response) -> Response:
        response.headers["Content-Security-Policy"] = policy
        for name, value in _HEADERS.items():
            response.headers[name] = value
        return response
