"""The model against published figures: rows with errors, reasons and sources."""

from studies.validation.authors import ReferenceDataError
from studies.validation.collection import Validation, validation
from studies.validation.document import (
    PLATFORM_HEADERS,
    ROW_HEADERS,
    Line,
    Sources,
    failure_lines,
    platform_line,
    row_lines,
    validation_page,
)
from studies.validation.platforms import (
    SHIPPED_PLATFORMS,
    Platform,
    PlatformFileError,
    add_platforms,
    read_platforms,
)
from studies.validation.rows import Row, Section, SourceMark, Verdict

__all__ = [
    "PLATFORM_HEADERS",
    "ROW_HEADERS",
    "SHIPPED_PLATFORMS",
    "Line",
    "Platform",
    "PlatformFileError",
    "ReferenceDataError",
    "Row",
    "Section",
    "SourceMark",
    "Sources",
    "Validation",
    "Verdict",
    "add_platforms",
    "failure_lines",
    "platform_line",
    "read_platforms",
    "row_lines",
    "validation",
    "validation_page",
]
