"""Titles, numbers and units as people read them."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Mapping
from typing import Any, Final

from search_space import UNITS, KnobValue
from studies.metrics import METRICS, Metric, is_metric, metric_of

_WORDS: Final[Mapping[str, str]] = {
    "aux": "auxiliary",
    "dram": "DRAM",
    "dvfs": "DVFS",
    "envm": "eNVM",
    "gemm": "GEMM",
    "io": "I/O",
    "ldo": "LDO",
    "mac": "MAC",
    "pll": "PLL",
    "se": "SE",
    "sfu": "SFU",
    "sram": "SRAM",
    "url": "URL",
}
"""Words that are not written as they stand in a name."""

_PEOPLE: Final = ("Matthews", "Pearson", "Spearman")
"""Whom metrics are named after."""

_SUFFIX_UNITS: Final[Mapping[str, str]] = {
    "bits": "bits",
    "k": "K",
    "kib": "KiB",
    "mhz": "MHz",
    "mib": "MiB",
    "mm2": "mm²",
    "ms": "ms",
    "ns": "ns",
    "pj": "pJ",
    "s": "s",
    "tokens": "tokens",
    "v": "V",
}
"""Units that end the names of scenario and provenance entries."""


class FigureError(ValueError):
    """A record holds something that no figure can show."""


def words(name: str) -> str:
    """A name with underscores as words for people, its first letter large.

    >>> words("mac_vector_size"), words("dvfs_policy"), words("data_sram")
    ('MAC vector size', 'DVFS policy', 'Data SRAM')
    """
    text = " ".join(_WORDS.get(word, word) for word in re.split(r"[_\s]+", name.strip()))
    return text if text.startswith("eNVM") else text[:1].upper() + text[1:]


def knob_title(name: str) -> str:
    """Title of a knob, its unit in brackets.

    >>> knob_title("data_sram_kib"), knob_title("checkpoint")
    ('Data SRAM (KiB)', 'Checkpoint')
    """
    unit = UNITS.get(name, "")
    stem = name.rpartition("_")[0] if unit and name.endswith(f"_{unit.lower()}") else name
    return with_unit(words(stem), unit)


def entry_title(name: str) -> str:
    """Title of a scenario or provenance entry; a suffix that is a unit goes in brackets.

    >>> entry_title("deadline_ms"), entry_title("task")
    ('Deadline (ms)', 'Task')
    """
    stem, _, suffix = name.rpartition("_")
    if stem and suffix in _SUFFIX_UNITS:
        return with_unit(words(stem), _SUFFIX_UNITS[suffix])
    return words(name)


def with_unit(title: str, unit: str) -> str:
    """A title with its unit in brackets, if it has one."""
    return f"{title} ({unit})" if unit else title


def metric(name: str, task: object = None) -> Metric:
    """The metric of that name in a study of a task, as its scenario names it.

    Raises:
        FigureError: there is none.
    """
    if not is_metric(name):
        raise FigureError(
            f"Metric {name!r} has no title and no unit: expected one of {', '.join(METRICS)}."
        )
    return metric_of(name, task)


def mid_sentence(title: str) -> str:
    """A metric's title inside a sentence: its first letter small, but for names.

    >>> mid_sentence("Accuracy, RTE"), mid_sentence("F1"), mid_sentence("Pearson correlation")
    ('accuracy, RTE', 'F1', 'Pearson correlation')
    """
    title, comma, task = title.partition(", ")
    is_name = not title[1:2].islower() or title.partition(" ")[0] in _PEOPLE
    return (title if is_name else title.lower()) + comma + task


def number_text(value: float) -> str:
    """A number with four significant digits and no exponent where one can be avoided.

    >>> number_text(1234567.0), number_text(0.123456), number_text(30.0), number_text(-0.00001)
    ('1,234,567', '0.1235', '30', '-1e-05')
    """
    if not math.isfinite(value):
        return "–"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.4g}"


def measured_text(value: float, error: float) -> str:
    """A value with its standard error, both to the error's second digit; NaN is no error.

    >>> measured_text(88.4123, 1.0321), measured_text(41.2, math.nan), measured_text(3.0, 0.0)
    ('88.4 ± 1.0', '41.20', '3.000 ± 0')
    """
    if not error > 0:
        text = f"{value:#.4g}" if 0.001 <= abs(value) < 1000 else number_text(value)
        return f"{text} ± 0" if error == 0 else text
    digits = min(8, max(0, 1 - math.floor(math.log10(error))))
    return f"{value:,.{digits}f} ± {error:,.{digits}f}"


def knob_text(value: KnobValue) -> str:
    """A knob's value.

    >>> knob_text(0.30000000000000004), knob_text(128), knob_text("adaptivfloat<8,3>")
    ('0.3', '128', 'adaptivfloat<8,3>')
    """
    return value if isinstance(value, str) else f"{value:.6g}"


def entry_text(value: Any) -> str:
    """A scenario or provenance entry of any shape on one line.

    >>> entry_text({"numpy": "2.4", "ray": "2.60"}), entry_text([1, 2.5]), entry_text(None)
    ('numpy 2.4, ray 2.60', '1, 2.5', 'none')
    """
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {entry_text(part)}" for key, part in value.items()) or "none"
    if isinstance(value, list | tuple):
        return ", ".join(map(entry_text, value)) or "none"
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def plotly_text(text: str) -> str:
    """A text from a record for Plotly, which reads a small HTML of its own in titles and labels.

    >>> plotly_text("adaptivfloat<8,3>")
    'adaptivfloat&lt;8,3&gt;'
    """
    return html.escape(text, quote=False)
