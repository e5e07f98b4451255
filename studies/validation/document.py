"""The validation as a page of Markdown; ``docs/validation.md`` is what this writes."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from studies.validation.collection import Validation
from studies.validation.platforms import PlatformRow, figure_or_dash
from studies.validation.rows import Row, Verdict, number_text, percent_text

WIDTH: Final = 120
ROW_HEADERS: Final = ("figure", "unit", "published", "model", "error", "source", "fitted, note")
PLATFORM_HEADERS: Final = (
    *("platform", "model", "tokens", "latency ms", "energy mJ"),
    *("chip ms", "chip mJ", "times slower", "times energy", "published times", "source"),
)
PLATFORM_TEXT: Final = (
    "Other platforms beside the chip of EdgeBERT's section: n = 16 at 0.8 V and 1 GHz, dense 8-bit "
    "weights in a store that costs no energy, every layer of one sentence, no exit. `dse validate "
    "--platforms FILE` adds those of a file; `--measure-cpu FILE` measures this machine into one."
)
_INTRODUCTION: Final = (
    "What the cost model gives beside what others published or measured. Written by `dse validate "
    "--reference DIR --out docs/validation.md`; do not edit. An error is model over published "
    "figure, minus 1. A row *agrees* if its error is within what the section says, or 15 %. "
    "*read* was seen in the source, *computed* follows from figures that were, *recalled* was not "
    "read again. *fitted* names constants of the model that were fitted to the figure, or are it."
)
_FAILURES: Final = (
    "Every row that does not agree, or has nothing to be compared with, by the reason."
)
_MOST_NAMES: Final = 6


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a printed table.

    Attributes:
        cells: texts in the order of the headers.
        failed: whether it stands for a row that does not agree.
    """

    cells: tuple[str, ...]
    failed: bool


class Sources:
    """Numbers of sources, in the order in which they are first asked for."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def number(self, name: str) -> int:
        """Number of a source, from 1."""
        if name not in self.names:
            self.names.append(name)
        return self.names.index(name) + 1


def row_lines(rows: Sequence[Row], sources: Sources) -> list[Line]:
    """Lines of a section: rows of a series that agree share one, in the place of the first."""
    lines: list[Line] = []
    done: set[str] = set()
    for row in rows:
        agrees = row.verdict is Verdict.AGREES
        if agrees and row.series:
            if row.series in done:
                continue
            done.add(row.series)
            same = [r for r in rows if r.series == row.series and r.verdict is Verdict.AGREES]
            if len(same) > 1:
                lines.append(_series_line(same, sources))
                continue
        lines.append(_row_line(row, sources))
    return lines


def _row_line(row: Row, sources: Sources) -> Line:
    about = [f"`{name}`" for name in row.fitted] + ([row.note] if row.note else [])
    return Line(
        cells=(
            row.name,
            row.unit,
            row.published_text,
            row.ours_text,
            row.error_text,
            f"{row.mark.value} [{sources.number(row.source)}]",
            "; ".join(about),
        ),
        failed=row.verdict is not Verdict.AGREES,
    )


def _series_line(rows: Sequence[Row], sources: Sources) -> Line:
    """One line for rows that agree: ranges of the figures, mean and largest error."""
    units = {row.unit for row in rows}
    published = [row.published for row in rows]
    ours = [row.ours for row in rows if row.ours is not None]
    errors = [abs(row.relative_error or 0.0) for row in rows]
    marks = list(dict.fromkeys(row.mark.value for row in rows))
    numbers = list(dict.fromkeys(sources.number(row.source) for row in rows))
    fitted = sum(bool(row.fitted) for row in rows)
    one_unit = len(units) == 1
    return Line(
        cells=(
            f"{rows[0].series}: {len(rows)} figures",
            units.pop() if one_unit else "several",
            _range_text(published) if one_unit else "–",
            _range_text(ours) if one_unit else "–",
            f"mean {percent_text(sum(errors) / len(errors))}, largest {percent_text(max(errors))}",
            f"{', '.join(marks)} {' '.join(f'[{number}]' for number in numbers)}",
            "; ".join(
                [f"constants come from {fitted} of them"] * bool(fitted)
                + [note for note in dict.fromkeys(row.note for row in rows) if note]
            ),
        ),
        failed=False,
    )


def _range_text(values: Sequence[float]) -> str:
    low, high = number_text(min(values)), number_text(max(values))
    return low if low == high else f"{low} to {high}"


def platform_line(row: PlatformRow, sources: Sources) -> Line:
    """A platform beside the chip."""
    platform = row.platform
    chip_ms = None if row.chip is None else row.chip.latency_ms
    chip_mj = None if row.chip is None else row.chip.energy_mj
    return Line(
        cells=(
            platform.name,
            platform.model,
            str(platform.tokens),
            figure_or_dash(platform.latency_ms),
            figure_or_dash(platform.sentence_mj),
            figure_or_dash(chip_ms),
            figure_or_dash(chip_mj),
            figure_or_dash(row.times_slower),
            figure_or_dash(row.times_energy),
            figure_or_dash(platform.energy_ratio),
            f"{platform.mark.value} [{sources.number(_platform_source(row))}]",
        ),
        failed=bool(row.reason),
    )


def _platform_source(row: PlatformRow) -> str:
    platform = row.platform
    parts = [platform.source, f"measured by {platform.measured_by}", platform.note]
    return "; ".join(part for part in parts if part)


def failure_lines(found: Validation) -> list[str]:
    """One line a reason: the reason, and the rows that it is the reason of."""
    lines = []
    for reason, rows in found.failures().items():
        shown = [f"{row.name} ({row.error_text})" for row in rows[:_MOST_NAMES]]
        more = len(rows) - len(shown)
        names = "; ".join(shown) + (f"; and {more} more" if more else "")
        lines.append(f"{reason} – {names}.")
    lines += [
        f"{row.platform.name}, {row.platform.model}: {row.reason}."
        for row in found.platforms
        if row.reason
    ]
    return lines


def validation_page(found: Validation) -> str:
    """The whole page."""
    sources = Sources()
    blocks = ["# Validation", _wrapped(_INTRODUCTION), _wrapped(found.summary)]
    for section in found.sections:
        lines = row_lines(section.rows, sources)
        blocks += [f"## {section.title}", _wrapped(section.text), _table(ROW_HEADERS, lines)]
    if found.platforms:
        platforms = [platform_line(row, sources) for row in found.platforms]
        blocks += ["## Other platforms", _wrapped(PLATFORM_TEXT)]
        blocks.append(_table(PLATFORM_HEADERS, platforms))
    blocks += ["## Where it fails", _wrapped(_FAILURES)]
    blocks.append("\n".join(_item("*", line) for line in failure_lines(found)))
    blocks.append("## Sources")
    blocks.append(
        "\n".join(_item(f"{place}.", name) for place, name in enumerate(sources.names, start=1))
    )
    return "\n\n".join(blocks) + "\n"


def _table(headers: Sequence[str], lines: Sequence[Line]) -> str:
    rows = [f"| {' | '.join(headers)} |", f"|{'---|' * len(headers)}"]
    rows += [f"| {' | '.join(_marked(line))} |" for line in lines]
    return "\n".join(rows)


def _marked(line: Line) -> list[str]:
    """Cells of a line, the first one in bold where it does not agree."""
    cells = [cell.replace("|", "\\|") for cell in line.cells]
    return [f"**{cells[0]}**", *cells[1:]] if line.failed else cells


def _wrapped(text: str) -> str:
    return textwrap.fill(text, WIDTH, break_long_words=False, break_on_hyphens=False)


def _item(bullet: str, text: str) -> str:
    """An item of a list, wrapped."""
    indent = " " * (len(bullet) + 1)
    return textwrap.fill(
        f"{bullet} {text}",
        WIDTH,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
