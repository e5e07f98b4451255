"""``dse init``: a commented study file for a task and a kind of device, ready to be edited."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dse.errors import RunFolderError, UsageError
from evaluators.checkpoints import shipped_for
from evaluators.tasks import SST2, glue_task
from search_space import nearest
from studies.whole_files import write_whole


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A kind of device: what a design must keep to, and where it may be looked for.

    Limits are starting points of ours to be edited, not figures of a product.

    Attributes:
        about: what it is.
        deadline_ms: a sentence must be answered within that time.
        sentences_per_hour: load.
        power_mode: what stays powered between sentences.
        area_mm2: largest area.
        mac_vector_sizes: values of the knob.
        processing_units: values of the knob.
        data_sram_kib: values of the knob.
        envm_mib: values of the knob.
        dram: values of the knob.
    """

    about: str
    deadline_ms: float
    sentences_per_hour: float
    power_mode: str
    area_mm2: float
    mac_vector_sizes: tuple[int, ...]
    processing_units: tuple[int, ...]
    data_sram_kib: tuple[int, ...]
    envm_mib: tuple[float, ...]
    dram: tuple[str, ...]


TARGETS: Final = {
    "sensor": Target(
        about="a sensor that wakes for a sentence now and then",
        deadline_ms=100.0,
        sentences_per_hour=10.0,
        power_mode="off",
        area_mm2=5.0,
        mac_vector_sizes=(4, 8),
        processing_units=(1,),
        data_sram_kib=(32, 64),
        envm_mib=(4.0, 8.0, 16.0, 24.0),
        dram=("none",),
    ),
    "wearable": Target(
        about="a wearable on a small battery",
        deadline_ms=20.0,
        sentences_per_hour=600.0,
        power_mode="retained",
        area_mm2=10.0,
        mac_vector_sizes=(4, 8, 16),
        processing_units=(1, 2),
        data_sram_kib=(32, 64, 128),
        envm_mib=(0.0, 4.0, 8.0, 16.0, 24.0),
        dram=("none",),
    ),
    "phone": Target(
        about="a phone, with memory beside the chip",
        deadline_ms=4.0,
        sentences_per_hour=3600.0,
        power_mode="retained",
        area_mm2=30.0,
        mac_vector_sizes=(8, 16, 32),
        processing_units=(1, 2),
        data_sram_kib=(64, 128, 256),
        envm_mib=(0.0, 4.0, 8.0, 16.0, 24.0),
        dram=("none", "lpddr4x"),
    ),
}


RACING: Final = """
[search.racing]                  # report sentences are measured for settings on the front alone
looks = []                       # counts of select sentences after which a setting may be given up
"""


def write_study(task: str, target: str, path: Path) -> None:
    """Write a study file.

    Args:
        task: GLUE task.
        target: one of `TARGETS`.
        path: new file.

    Raises:
        UnknownTaskError: there is no such task.
        UsageError: there is no such target.
        RunFolderError: the file exists.
        UnwritableError: it cannot be written.
    """
    glue_task(task)
    if target not in TARGETS:
        raise UsageError(
            f"--target {target!r} is not known{nearest(target, TARGETS)}: expected one of "
            f"{', '.join(TARGETS)}."
        )
    if path.exists() or path.is_symlink():
        raise RunFolderError(f"{path}: exists already; choose another --out.")
    write_whole(path, study_text(task, target).encode())


def study_text(task: str, target: str) -> str:
    """The study file, TOML with comments."""
    device, regression = TARGETS[target], glue_task(task).is_regression
    recorded, shipped = task == SST2.name, shipped_for(task)
    if recorded:
        evaluator = 'kind = "recorded"                # shipped traces; "live" measures sentences'
    elif shipped:
        evaluator = 'kind = "live"                    # measures sentences: dse run --data GLUE_DIR'
    else:
        evaluator = (
            f"# Train one first: dse train aware --task {task} --data GLUE_DIR --out my-checkpoint"
            '\nkind = "live"\ncheckpoints = { mine = "my-checkpoint" }'
        )
    names = _listed(tuple(shipped)) if shipped else '"mine"'
    policies = (
        'exit_policy = ["none", "patience"]\npatience = [1, 2, 3]\npatience_tolerance = [0.25, 0.5]'
        if regression
        else 'exit_policy = ["none", "entropy", "latency-aware"]\n'
        "entropy_threshold = { low = 0.02, high = 0.68, step = 0.02 }   # nats"
    )
    worst = "0.70" if recorded else "-1.0" if regression else "0.0"
    return f"""\
# {task} on {device.about}. Every key is in docs/study-files.md; edit what does not fit.
format = 1
title = "{task} on {device.about}"
constraints = [                  # what every design must keep to
    "deadline_miss_rate <= 0.01",
    "area_mm2 <= {device.area_mm2}",
]
conditions = ["mac_vector_size * processing_units <= 64"]   # between knobs

[scenario]                       # what designs are asked to do; never searched
task = "{task}"
sequences = "actual"             # or "padded(128)"
deadline_ms = {device.deadline_ms}
sentences_per_hour = {device.sentences_per_hour}
{f'power_mode = "{device.power_mode}"':<32} # what stays powered between sentences
idle = "leakage"                 # charged from the answer to the deadline

[evaluator]                      # where accuracy comes from
{evaluator}

[[objectives]]                   # two to eight; ideal and reference span the hypervolume
metric = "accuracy"
ideal = {0.95 if recorded else 1.0}
reference = {worst}

[[objectives]]
metric = "energy_pj"
axis = "log10"
ideal = 1e6
reference = 1e10

[[objectives]]
metric = "area_mm2"
axis = "log10"
ideal = 0.5
reference = 50.0

[search]
strategy = "nested"              # Optuna samples model knobs; exits and hardware are enumerated
trials = 60
seed = 1
workers = 2
{"" if recorded or glue_task(task).primary_metric != "accuracy" else RACING}
[space]                          # one value, a list, or a range for every knob
checkpoint = {names}
span_budget_tokens = [128, 16]
encoder_sparsity = [0.0, 0.3, 0.5, 0.7]
embedding_sparsity = [0.0, 0.6]
weight_format = ["adaptivfloat<8,3>", "adaptivfloat<5,3>"]
activation_format = ["adaptivfloat<8,3>", "adaptivfloat<6,3>"]
embedding_storage = ["reram-slc", "reram-mlc2"{_with_dram(device)}]
encoder_storage = ["sram", "reram-slc", "reram-mlc2"{_with_dram(device)}]

{policies}

mac_vector_size = {list(device.mac_vector_sizes)}
processing_units = {list(device.processing_units)}
data_sram_kib = {list(device.data_sram_kib)}
mask_sram_kib = [4, 16]
aux_sram_kib = [4, 8]
envm_mib = {list(device.envm_mib)}
min_voltage_v = [0.5, 0.6]
max_voltage_v = [0.7, 0.8]
dvfs_policy = ["fixed", "lowest-feasible", "min-energy"]
dram = {_listed(device.dram)}
"""


def _with_dram(device: Target) -> str:
    return ', "dram"' if len(device.dram) > 1 else ""


def _listed(values: tuple[str, ...]) -> str:
    return "[" + ", ".join(f'"{value}"' for value in values) + "]"
