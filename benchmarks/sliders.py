"""How soon accuracy, energy and latency follow the sliders, as one sees it in the browser.

    python benchmarks/sliders.py RUN [--presses 60] [--json FILE]

Opens the what-if page of a run in headless Chromium, moves the threshold by the keyboard, a step at
a time, and takes the time from the key to the page's new text: events of the browser, the question,
the server's scoring, the answer and the drawing, all in it. Then the threshold is dragged without a
pause, and the time from the last step of each drag to its answer is taken.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from browser import page_of
from playwright.sync_api import Page

PAUSE_MS = 250
DRAGS = 10
_WATCH = """() => {
  window.keys = []; window.texts = [];
  addEventListener('keydown', () => window.keys.push(performance.now()), true);
  const told = document.getElementById('what-if-values');
  new MutationObserver(() => window.texts.push([performance.now(), told.textContent]))
    .observe(told, {childList: true, characterData: true, subtree: true});
}"""


def main() -> None:
    """Measure, print a table, and write JSON if asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--presses", type=int, default=60)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    with page_of(arguments.run) as (page, address):
        page.goto(f"{address}/what-if")
        found = {
            "key_to_text": key_latencies(page, arguments.presses),
            "last_step_of_a_drag_to_text": drag_latencies(page),
            "scoring_alone": scoring_times(page),
        }
    table = {name: percentiles(times) for name, times in found.items()}
    for name, row in table.items():
        print(f"{name:28}" + "".join(f" {key} {value:7.1f} ms" for key, value in row.items()))
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(table, indent=1) + "\n")


def percentiles(times: list[float]) -> dict[str, float]:
    """Median, 95th percentile and the greatest, milliseconds."""
    return {
        "p50": float(np.percentile(times, 50)),
        "p95": float(np.percentile(times, 95)),
        "max": max(times),
    }


def key_latencies(page: Page, presses: int) -> list[float]:
    """Milliseconds from each key to the first text after it."""
    page.wait_for_function("document.getElementById('what-if-values')?.textContent.length > 0")
    page.wait_for_function(
        "document.querySelector('#what-if-curve .js-plotly-plot')?.data?.length > 1"
    )
    page.evaluate(_WATCH)
    thumb = page.get_by_role("slider").first
    thumb.focus()
    for press in range(presses):
        before = page.evaluate("window.texts.length")
        page.keyboard.press("ArrowLeft" if press % 20 < 10 else "ArrowRight")
        page.wait_for_function(f"window.texts.length > {before}")
        page.wait_for_timeout(PAUSE_MS)
    keys, texts = page.evaluate("[window.keys, window.texts.map(([time]) => time)]")
    return [min(time for time in texts if time >= key) - key for key in keys]


def drag_latencies(page: Page) -> list[float]:
    """Milliseconds from the last step of a drag to the text that tells of where it ended."""
    found = []
    thumb = page.get_by_role("slider").first
    for _ in range(DRAGS):
        box = thumb.bounding_box()
        assert box is not None
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        page.mouse.move(x, y)
        page.mouse.down()
        for step in range(24):
            page.mouse.move(x + (step + 1) * 6 * (1 if x < 400 else -1), y)
            page.wait_for_timeout(16)
        end = page.evaluate("performance.now()")
        page.mouse.up()
        value = thumb.get_attribute("aria-valuenow") or ""
        page.wait_for_function(
            f"window.texts.length && window.texts.at(-1)[1].includes(' {float(value):g},')"
        )
        found.append(max(0.0, page.evaluate("window.texts.at(-1)[0]") - end))
        page.wait_for_timeout(PAUSE_MS)
    return found


def scoring_times(page: Page) -> list[float]:
    """Milliseconds of scoring alone, as the page's texts tell them."""
    texts = page.evaluate("window.texts.map(([, text]) => text)")
    return [float(text.rpartition("scored in ")[2].partition(" ms")[0]) for text in texts if text]


if __name__ == "__main__":
    main()
