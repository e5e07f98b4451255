"""What came of checking an export: files, figures, and what was left out."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class FileCheck:
    """One file.

    Attributes:
        name: path in the folder.
        problem: what is wrong with it; empty if nothing is.
    """

    name: str
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FigureCheck:
    """One figure.

    Attributes:
        name: what it is.
        stated: in ``design.json``.
        recomputed: as it comes out now.
        tolerance: largest difference that counts as equal.
        note: what else there is to say, such as predictions that changed.
    """

    name: str
    stated: float
    recomputed: float
    tolerance: float
    note: str = ""

    @property
    def difference(self) -> float:
        """Recomputed less stated."""
        return self.recomputed - self.stated

    @property
    def holds(self) -> bool:
        """Whether they are equal."""
        return abs(self.difference) <= self.tolerance


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What came of it.

    Attributes:
        design_hash: of the export.
        files: every file, those with problems included.
        figures: every figure that could be worked out; none if the files do not allow it.
        notes: what was not checked, and why.
        example: arguments for ``dse predict`` behind the folder; none without a model, or where
            files are not as they should be.
    """

    design_hash: str
    example: tuple[str, ...]
    files: tuple[FileCheck, ...]
    figures: tuple[FigureCheck, ...]
    notes: tuple[str, ...]

    @property
    def problems(self) -> list[FileCheck]:
        """Files that are not as they should be."""
        return [found for found in self.files if found.problem]

    @property
    def holds(self) -> bool:
        """Whether everything that was checked is as stated."""
        return not self.problems and all(figure.holds for figure in self.figures)
