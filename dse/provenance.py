"""Where figures come from: versions, commit, machine, seed, hashes of data and checkpoints."""

from __future__ import annotations

import hashlib
import importlib.metadata
import platform
import subprocess
from pathlib import Path
from typing import Any, Final

from studies.spec import StudySpec

_PACKAGES: Final = ("edge-dse", "optuna", "ray", "torch", "transformers", "numpy", "moocore")


def provenance_of(spec: StudySpec, recorded: dict[str, Any]) -> dict[str, Any]:
    """Provenance of a record.

    Args:
        spec: the study.
        recorded: what the traces are of: hashes of data and checkpoints.
    """
    script = spec.cost_model.script
    model = {"cost_model": spec.cost_model.name}
    if script is not None:
        model["cost_model_sha256"] = hashlib.sha256(script.read_bytes()).hexdigest()
    return {
        "seed": spec.search.seed,
        "sampler": spec.search.sampler.name,
        **model,
        "versions": {name: version_of(name) for name in _PACKAGES},
        "commit": _commit(),
        "machine": f"{platform.machine()}, Python {platform.python_version()}",
        **recorded,
    }


def version_of(package: str) -> str:
    """The version of an installed package, or ``not installed``."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _commit() -> str:
    """Commit of the source tree that runs, or ``not a checkout``."""
    root = Path(__file__).resolve().parent.parent
    if not (root / ".git").exists():
        return "not a checkout"
    found = subprocess.run(
        ["git", "-C", str(root), "rev-parse", "--short=12", "HEAD"],
        capture_output=True,
        text=True,
        check=False,
    )
    return found.stdout.strip() or "no commit"
