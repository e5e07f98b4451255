"""The register map of a design as SystemRDL 2.0, and what PeakRDL makes of it.

PeakRDL is optional (the extra ``rtl``): it turns the map into RTL behind an APB4 port, a C header
and IP-XACT. What it writes is the user's: its own licence does not reach it.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from dse.errors import UsageError
from dse.exports.parameters import Choice, Parameters

ADDRESS_MAP: Final = "edge_dse_regs"
REGISTER_FILES: Final = (
    f"rtl/{ADDRESS_MAP}.sv",
    f"rtl/{ADDRESS_MAP}_pkg.sv",
    f"rtl/{ADDRESS_MAP}.xml",
    f"include/{ADDRESS_MAP}.h",
)
"""What PeakRDL adds to an export."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a register.

    Attributes:
        name: lower case.
        bits: its width.
        reset: value after reset.
        properties: what software and hardware may do, as SystemRDL says it.
        note: what it is.
    """

    name: str
    bits: int
    reset: int
    properties: str
    note: str


_CONSTANT: Final = "sw = r; hw = na;"
_SETTING: Final = "sw = rw; hw = r;"
_STATE: Final = "sw = r; hw = w;"


def registers_of(parameters: Parameters) -> dict[str, tuple[Field, ...]]:
    """Fields of every register by name, in the order of their addresses, 4 bytes apart."""
    number = {parameter.name: parameter.value for parameter in parameters.numbers}
    choice = {found.name: found for found in parameters.choices}
    design = int(parameters.design_hash, 16)
    deadline = number["DEADLINE_NS"]

    def setting(name: str, bits: int, reset: int, note: str) -> tuple[Field, ...]:
        return (Field(name, bits, reset, _SETTING, note),)

    return {
        "id_low": (Field("design_hash", 32, design & 0xFFFFFFFF, _CONSTANT, "design, bits 31:0"),),
        "id_high": (Field("design_hash", 32, design >> 32, _CONSTANT, "design, bits 63:32"),),
        "control": (
            Field("start", 1, 0, "sw = rw; hw = r; singlepulse;", "write 1: run one sentence"),
            Field("early_exit", 1, 1, _SETTING, "0: every sentence takes all layers"),
        ),
        "status": (
            Field("busy", 1, 0, _STATE, "a sentence is running"),
            Field("done", 1, 0, _STATE, "the answer is there"),
            Field("answer", 8, 0, _STATE, "class"),
            Field("exit_layer", 8, 0, _STATE, "layer it left after, from 1"),
            Field("dvfs_level", 8, 0, _STATE, "row of the supply table in use"),
        ),
        "exit_policy": setting(
            "code", 8, choice["exit_policy"].code, _codes(choice["exit_policy"])
        ),
        "dvfs_policy": setting(
            "code", 8, choice["dvfs_policy"].code, _codes(choice["dvfs_policy"])
        ),
        "entropy_threshold": setting(
            "nats_q10", 16, number["ENTROPY_THRESHOLD_Q10"], "nats in units of 2**-10"
        ),
        "normalised_entropy_threshold": setting(
            "share_q16", 17, number["NORMALISED_ENTROPY_THRESHOLD_Q16"], "units of 2**-16"
        ),
        "confidence_threshold": setting(
            "share_q16", 17, number["CONFIDENCE_THRESHOLD_Q16"], "units of 2**-16"
        ),
        "patience": setting("exits", 8, number["PATIENCE"], "exits in a row that agree"),
        "deadline_low": setting("ns", 32, deadline & 0xFFFFFFFF, "deadline, ns, bits 31:0"),
        "deadline_high": setting("ns", 32, deadline >> 32, "deadline, ns, bits 63:32"),
    }


def _codes(choice: Choice) -> str:
    return ", ".join(f"{code} {member}" for code, member in enumerate(choice.members))


def system_rdl(parameters: Parameters) -> str:
    """The register map as SystemRDL 2.0.

    Raises:
        ValueError: a reset value does not fit its field.
    """
    lines = [
        f"// edge-dse design {parameters.design_hash}: register map.",
        f"addrmap {ADDRESS_MAP} {{",
        f'  name = "edge-dse design {parameters.design_hash}";',
        "  default regwidth = 32;",
        "  default accesswidth = 32;",
    ]
    for place, (name, found) in enumerate(registers_of(parameters).items()):
        lines.append("  reg {")
        low = 0
        for field in found:
            if not 0 <= field.reset < 1 << field.bits:
                raise ValueError(
                    f"Register {name}: {field.reset} in a field of {field.bits} bits; no register "
                    "map can be made of that design."
                )
            lines.append(
                f'    field {{ desc = "{field.note}"; {field.properties} }} '
                f"{field.name}[{low + field.bits - 1}:{low}] = {field.bits}'d{field.reset};"
            )
            low += field.bits
        lines.append(f"  }} {name} @ 0x{4 * place:02x};")
    return "\n".join([*lines, "};", ""])


def generated_registers(rdl: str, design_hash: str) -> dict[str, bytes]:
    """`REGISTER_FILES` by path, made of a SystemRDL text by PeakRDL.

    Raises:
        UsageError: PeakRDL is not installed.
    """
    compiler, regblock, properties, apb4, cheader, ipxact = _imported()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        source = folder / f"{ADDRESS_MAP}.rdl"
        source.write_text(rdl, encoding="ascii")
        made = compiler.RDLCompiler()
        for found in properties.ALL_UDPS:
            made.register_udp(found)
        made.compile_file(str(source))
        root = made.elaborate()
        regblock.RegblockExporter().export(root, str(folder), cpuif_cls=apb4.APB4_Cpuif_flattened)
        cheader.CHeaderExporter().export(root, str(folder / f"{ADDRESS_MAP}.h"))
        ipxact.IPXACTExporter().export(root, str(folder / f"{ADDRESS_MAP}.xml"))
        return {
            path: _marked((folder / Path(path).name).read_text(encoding="utf-8"), path, design_hash)
            for path in REGISTER_FILES
        }


def _marked(text: str, path: str, design_hash: str) -> bytes:
    """The text with the design hash in a comment; XML has its declaration before it."""
    mark = f"edge-dse design {design_hash}"
    if not path.endswith(".xml"):
        return f"/* {mark} */\n{text}".encode()
    declaration, _, rest = text.partition("?>")
    return f"{declaration}?>\n<!-- {mark} -->{rest}".encode()


def _imported() -> tuple[Any, ...]:
    try:
        return (
            import_module("systemrdl"),
            import_module("peakrdl_regblock"),
            import_module("peakrdl_regblock.udps"),
            import_module("peakrdl_regblock.cpuif.apb4"),
            import_module("peakrdl_cheader.exporter"),
            import_module("peakrdl_ipxact"),
        )
    except ImportError as error:
        raise UsageError(
            f"--rtl needs PeakRDL, which cannot be imported ({error}): run "
            "`pip install edge-dse[rtl]`."
        ) from error
