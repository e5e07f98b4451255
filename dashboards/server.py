"""Serving the dashboard on this machine."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Sequence
from typing import Final

from werkzeug.serving import BaseWSGIServer, make_server

from dashboards.app import create_app
from dashboards.host_guard import LOOPBACK
from dashboards.run_source import RunSource

PORT: Final = 8050
"""Where the dashboard is unless told otherwise."""


def dashboard_server(
    runs: Sequence[RunSource], *, host: str = "127.0.0.1", port: int = PORT
) -> BaseWSGIServer:
    """A server of the dashboard, bound and not started yet.

    Args:
        runs: to show.
        host: address to bind.
        port: to bind; 0 for any free one.

    Raises:
        OSError: the address cannot be bound.
    """
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    is_local = host.lower() in LOOPBACK
    names = () if is_local else (socket.gethostname(), socket.getfqdn())
    app = create_app(runs, hosts={*LOOPBACK, host, *names}, by_address=not is_local)
    try:
        return make_server(host, port, app.server, threaded=True)
    except SystemExit as error:  # how the library says that it cannot
        raise OSError(f"{host}:{port} cannot be bound") from error


def serve(runs: Sequence[RunSource], *, host: str, port: int, ready: Callable[[str], None]) -> None:
    """Serve the dashboard until it is interrupted.

    Args:
        runs: to show.
        host: address to bind.
        port: to bind; 0 for any free one.
        ready: called once with the address for a browser.

    Raises:
        OSError: the address cannot be bound.
    """
    server = dashboard_server(runs, host=host, port=port)
    name = f"[{host}]" if ":" in host else host
    ready(f"http://{name}:{server.server_port}/")
    try:
        server.serve_forever()
    finally:
        server.server_close()
