"""The parts of one cost of one design as a small HTML table."""

from __future__ import annotations

import html
from collections.abc import Sequence

from dashboards.stack_data import Part
from dashboards.titles import number_text, words


def parts_table_html(design_id: int, parts: Sequence[Part], unit: str) -> str:
    """Parts with their amounts and their shares of the total, and the total.

    Args:
        design_id: of the design, for the caption.
        parts: in the order of the rows.
        unit: of the amounts.
    """
    rows = "".join(_row(words(part.name), part.amount, part.percent) for part in parts)
    total = _row("Total", sum(part.amount for part in parts), sum(part.percent for part in parts))
    return (
        f'<table class="parts"><caption>Design #{design_id}, the knee</caption><thead><tr>'
        f'<th scope="col">Part</th><th scope="col" class="n">{html.escape(unit)}</th>'
        '<th scope="col" class="n">%</th></tr></thead>'
        f"<tbody>{rows}</tbody><tfoot>{total}</tfoot></table>"
    )


def _row(name: str, amount: float, percent: float) -> str:
    return (
        f'<tr><td>{html.escape(name)}</td><td class="n">{number_text(amount)}</td>'
        f'<td class="n">{percent:.1f}</td></tr>'
    )
