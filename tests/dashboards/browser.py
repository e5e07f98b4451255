"""A dashboard in a thread and a page of a real browser on it."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from playwright.sync_api import Page, Response

from dashboards.run_source import RunSource
from dashboards.server import dashboard_server

PATIENCE_MS = 90_000
"""How long a condition may take on a machine that is busy with other work."""


@contextmanager
def served(runs: Sequence[RunSource]) -> Iterator[str]:
    """The address of a dashboard of these runs, on a free port."""
    server = dashboard_server(runs, port=0)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Watched:
    """A page with everything that went wrong on it.

    Attributes:
        page: of the browser.
        complaints: errors on the console, in scripts and of requests to other hosts.
    """

    def __init__(self, page: Page, address: str) -> None:
        """Watch a page that shows a dashboard at an address."""
        self.page, self.address = page, address
        self.complaints: list[str] = []
        page.set_default_timeout(PATIENCE_MS)
        page.on("console", lambda m: self._note(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: self._note(str(error)))
        page.on("request", lambda request: self._foreign(request.url))
        page.on("response", self._response)

    def open(self, path: str) -> Page:
        """The page at a path, with its title shown."""
        self.page.goto(self.address + path)
        self.page.wait_for_selector("main h1")
        return self.page

    def drawn(self, figure: str) -> None:
        """Wait until a figure has something drawn in it."""
        self.page.wait_for_function(
            """id => { const plot = document.querySelector(`#${id} .js-plotly-plot`);
            return plot && plot.data && plot.data.length > 0; }""",
            arg=figure,
        )

    def _note(self, text: str) -> None:
        self.complaints.append(text)

    def _foreign(self, url: str) -> None:
        if not url.startswith((self.address, "data:", "blob:")):
            self._note(f"request to {url}")

    def _response(self, response: Response) -> None:
        if response.status >= 400:
            self._note(f"{response.status} {response.url}")
