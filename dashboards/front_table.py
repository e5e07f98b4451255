"""The table of the front's designs as HTML."""

from __future__ import annotations

import html

from dashboards.figure_data import MEMBERSHIP, FrontData, membership_texts
from dashboards.front_columns import Column, KnobColumn
from dashboards.titles import measured_text, with_unit


def table_html(data: FrontData) -> str:
    """A table that sorts by a click on a header: id, main metrics, knobs that vary, other metrics.

    Number cells carry their value in ``data-v``, so that sorting does not see how it is rounded.
    """
    main = [column for column in data.metrics if column.is_on_card]
    others = [column for column in data.metrics if not column.is_on_card]
    columns: list[tuple[str, list[str], list[float] | None]] = [
        ("Design", [f"#{i}" for i in data.ids], data.ids.tolist()),
        *((_metric_title(column), *_metric_cells(column)) for column in main),
        *(
            [(MEMBERSHIP, membership_texts(data), data.membership.tolist())]
            if data.has_membership
            else []
        ),
        *((knob.title, *_knob_cells(knob)) for knob in data.knobs),
        *((_metric_title(column), *_metric_cells(column)) for column in others),
        ("Trial", [str(trial) for trial in data.trials], data.trials.tolist()),
    ]
    position = next((i for i, c in enumerate(main, 2) if c.name == "accuracy"), 1)
    columns[position:position] = [
        (with_unit(f"{c.title}, report split", c.unit), *_metric_cells(c))
        for c in (data.report, *data.further)
    ]
    heads = "".join(
        f'<th scope="col"{_number_class(values)}><button type="button">{html.escape(title)}'
        "</button></th>"
        for title, _, values in columns
    )
    cells = [
        [f"<td>{html.escape(text)}</td>" for text in texts]
        if values is None
        else [
            f'<td class="n" data-v="{value:.8g}">{html.escape(text)}</td>'
            for text, value in zip(texts, values, strict=True)
        ]
        for _, texts, values in columns
    ]
    rows = (
        f'<tr data-id="{design_id}">{"".join(row)}</tr>'
        for design_id, row in zip(data.ids, zip(*cells, strict=True), strict=True)
    )
    return (
        '<div class="scroll" tabindex="0"><table id="table"><thead><tr>'
        f"{heads}</tr></thead><tbody>\n" + "\n".join(rows) + "\n</tbody></table></div>"
    )


def _metric_title(column: Column) -> str:
    if column.name == "accuracy":
        return with_unit(f"{column.title}, select split", column.unit)
    return column.label


def _metric_cells(column: Column) -> tuple[list[str], list[float]]:
    values, errors = column.values.tolist(), column.errors.tolist()
    return list(map(measured_text, values, errors)), values


def _knob_cells(knob: KnobColumn) -> tuple[list[str], list[float] | None]:
    return knob.design_texts(), knob.values.tolist() if knob.is_number else None


def _number_class(values: list[float] | None) -> str:
    return "" if values is None else ' class="n"'
