"""The dashboard of a run, served to a page of headless Chromium."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from dashboards.server import dashboard_server
from dse.watched_run import watched_runs

PATIENCE_MS = 120_000


@contextmanager
def page_of(run: Path) -> Iterator[tuple[Page, str]]:
    """A page that shows nothing yet, and the address of the run's dashboard."""
    server = dashboard_server(watched_runs([run], Path("runs")), port=0)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--enable-unsafe-swiftshader"]
        )
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(PATIENCE_MS)
        yield page, f"http://127.0.0.1:{server.server_port}"
        browser.close()
    server.shutdown()
