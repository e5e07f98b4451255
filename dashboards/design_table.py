"""The table of a front's designs as a grid that sorts, filters and selects."""

from __future__ import annotations

import csv
import io
from typing import Any, Final

import dash_ag_grid as dag

from dashboards.figure_data import MEMBERSHIP, FrontData, membership_texts
from dashboards.front_columns import Column
from dashboards.titles import measured_text, with_unit

MOST_WHOLE_ROWS: Final = 2_000
"""Designs with more than what is on their cards; of a larger front the table has no other metric,
the file that is saved has."""


def design_grid(data: FrontData, grid_id: str, *, height: int = 420) -> dag.AgGrid:
    """A grid with a row for each design: its id, main metrics, knobs that vary, other metrics."""
    columns, rows = design_columns(data, main=len(data.ids) > MOST_WHOLE_ROWS)
    return dag.AgGrid(
        id=grid_id,
        columnDefs=columns,
        rowData=rows,
        getRowId="params.data.id.toString()",
        defaultColDef={
            "sortable": True,
            "filter": True,
            "resizable": True,
            "wrapHeaderText": True,
            "autoHeaderHeight": True,
            "minWidth": 92,
        },
        columnSize="autoSize",
        dashGridOptions={
            "rowSelection": {"mode": "multiRow", "enableClickSelection": True},
            "rowHeight": 30,
            "animateRows": False,
            "suppressCellFocus": False,
            "ensureDomOrder": True,
        },
        style={"height": f"{min(height, 92 + 30 * max(1, len(rows)))}px", "width": "100%"},
    )


def design_columns(
    data: FrontData, *, main: bool = False
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Definitions of the columns and the rows; a number is sorted by its value, not its text.

    Args:
        data: of the front.
        main: whether metrics that no card shows are left out.
    """
    rows: list[dict[str, Any]] = [{"id": i} for i in data.ids.tolist()]
    columns: list[dict[str, Any]] = [
        {"field": "id", "headerName": "Design", "pinned": "left", "filter": "agNumberColumnFilter"}
    ]

    def add(field: str, title: str, values: list[Any], texts: list[str]) -> None:
        is_number = not any(isinstance(value, str) for value in values)
        definition: dict[str, Any] = {"field": field, "headerName": title}
        if is_number:
            definition |= {
                "type": "rightAligned",
                "filter": "agNumberColumnFilter",
                "valueFormatter": {"function": f"params.data.{field}_text"},
            }
        columns.append(definition)
        for row, value, text in zip(rows, values, texts, strict=True):
            row[field] = None if isinstance(value, float) and value != value else value
            if is_number:
                row[f"{field}_text"] = text

    for column in (column for column in data.metrics if column.is_on_card):
        title = with_unit("Accuracy, select", column.unit) if column.name == "accuracy" else ""
        add(f"m_{column.name}", title or column.label, *_measured(column))
    for column in (data.report, *data.further):
        add(
            f"r_{column.name}",
            with_unit(f"{column.title}, report", column.unit),
            *_measured(column),
        )
    if data.has_membership:
        add("membership", MEMBERSHIP, data.membership.tolist(), membership_texts(data))
    for knob in data.knobs:
        values = knob.values.tolist() if knob.is_number else knob.design_texts()
        add(f"k_{knob.name}", knob.title, values, knob.design_texts())
    for column in data.metrics:
        if not (column.is_on_card or main):
            add(f"m_{column.name}", column.label, *_measured(column))
    add("trial", "Trial", data.trials.tolist(), [str(trial) for trial in data.trials])
    return columns, rows


def table_csv(data: FrontData, ids: list[int]) -> str:
    """Selected designs, all if none is, as comma-separated values in full precision."""
    columns, rows = design_columns(data)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([column["headerName"] for column in columns])
    wanted = set(ids)
    for row in rows:
        if not wanted or row["id"] in wanted:
            writer.writerow([_plain(row[column["field"]]) for column in columns])
    return out.getvalue()


def _plain(value: Any) -> Any:
    """A cell that no spreadsheet takes for a formula."""
    if isinstance(value, str) and value[:1] in "=+-@\t\r":
        return f"'{value}"
    return "" if value is None else value


def _measured(column: Column) -> tuple[list[float], list[str]]:
    values, errors = column.values.tolist(), column.errors.tolist()
    return values, list(map(measured_text, values, errors))
