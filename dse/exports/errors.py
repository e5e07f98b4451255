"""What can be wrong with an export folder."""

from __future__ import annotations

from dse.errors import DseError


class ExportError(DseError):
    """A folder is no export, or not one that this version reads."""

    exit_code = 9
