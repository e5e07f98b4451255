"""SystemVerilog of a design: a package of typed parameters, its guards, a read-only ID register."""

from __future__ import annotations

from typing import Final

from dse.exports.parameters import Choice, Parameter, Parameters, Vector

PACKAGE: Final = "edge_dse_params_pkg"

GUARDS: Final = (
    ("mac_vector_size", "MAC_VECTOR_SIZE >= 2 && MAC_VECTOR_SIZE <= 64", "2 to 64"),
    ("processing_units", "PROCESSING_UNITS >= 1", "1 or more"),
    ("voltage_range", "MIN_VOLTAGE_MV <= MAX_VOLTAGE_MV", "at most MAX_VOLTAGE_MV"),
    ("dvfs_levels", "DVFS_LEVELS >= 1", "1 or more"),
    ("dvfs_order", "DVFS_VOLTAGE_UV[0] >= DVFS_VOLTAGE_UV[DVFS_LEVELS-1]", "highest first"),
    ("weight_bits", "WEIGHT_BITS >= 1 && WEIGHT_BITS <= 32", "1 to 32"),
    ("activation_bits", "ACTIVATION_BITS >= 1 && ACTIVATION_BITS <= 32", "1 to 32"),
    ("accumulator_bits", "ACCUMULATOR_BITS >= 8 && ACCUMULATOR_BITS <= 64", "8 to 64"),
    ("head_width", "HIDDEN % HEADS == 0", "HIDDEN a multiple of HEADS"),
    ("layers", "LAYERS % DISTINCT_LAYERS == 0", "LAYERS a multiple of DISTINCT_LAYERS"),
)
"""What must hold of the parameters: name, condition, and what is expected; `guards` checks it."""


def package(parameters: Parameters) -> str:
    """The package: every parameter typed, named choices as enumerations, tables as arrays.

    Verilator is told not to warn of parameters that a chip leaves unused.
    """
    body = [_number(parameter) for parameter in parameters.numbers]
    body += [line for choice in parameters.choices for line in _choice(choice)]
    body += [_vector(vector) for vector in parameters.vectors]
    return "\n".join(
        [
            f"// edge-dse design {parameters.design_hash}: parameters; design.json has the rest.",
            *_guarded(
                "EDGE_DSE_PARAMS_PKG_SV",
                [
                    "// verilator lint_off UNUSED",
                    f"package {PACKAGE};",
                    f"  localparam logic [63:0] DESIGN_HASH = 64'h{parameters.design_hash};",
                    *body,
                    f"endpackage : {PACKAGE}",
                    "// verilator lint_on UNUSED",
                ],
            ),
            "",
        ]
    )


def guards(parameters: Parameters) -> str:
    """A module without ports that does not elaborate if a guard is broken; it says which one."""
    lines = [f"module edge_dse_guards;\n  import {PACKAGE}::*;"]
    lines.append(
        f"  if (DESIGN_HASH != 64'h{parameters.design_hash}) begin : guard_design_hash\n"
        '    $error("guard_design_hash: the package is of another design");\n  end'
    )
    for name, condition, expected in GUARDS:
        lines.append(
            f"  if (!({condition})) begin : guard_{name}\n"
            f'    $error("guard_{name}: expected {expected}");\n  end'
        )
    lines.append("endmodule : edge_dse_guards")
    head = f"// edge-dse design {parameters.design_hash}: instantiate once; needs {PACKAGE}."
    return "\n".join([head, *_guarded("EDGE_DSE_GUARDS_SV", lines), ""])


def id_register(parameters: Parameters) -> str:
    """A read-only register of two 32-bit words, the lower one first, that holds the design hash."""
    lines = [
        "module edge_dse_id (",
        "    input  logic        word_select,",
        "    output logic [31:0] read_data",
        ");",
        f"  import {PACKAGE}::DESIGN_HASH;",
        "  assign read_data = word_select ? DESIGN_HASH[63:32] : DESIGN_HASH[31:0];",
        "endmodule : edge_dse_id",
    ]
    head = f"// edge-dse design {parameters.design_hash}: ID register; needs {PACKAGE}."
    return "\n".join([head, *_guarded("EDGE_DSE_ID_SV", lines), ""])


def _guarded(name: str, lines: list[str]) -> list[str]:
    return [f"`ifndef {name}", f"`define {name}", *lines, f"`endif  // {name}"]


def _number(parameter: Parameter) -> str:
    kind = "longint unsigned" if parameter.wide else "int unsigned"
    value = f"64'd{parameter.value}" if parameter.wide else str(parameter.value)
    note = f"  // {parameter.note}" if parameter.note else ""
    return f"  localparam {kind} {parameter.name} = {value};{note}"


def _choice(choice: Choice) -> list[str]:
    members = ",\n".join(
        f"    {choice.constant(member)} = 32'd{code}" for code, member in enumerate(choice.members)
    )
    kind = f"{choice.name}_e"
    return [
        f"  typedef enum logic [31:0] {{\n{members}\n  }} {kind};",
        f"  localparam {kind} {choice.name.upper()} = {choice.constant(choice.value)};",
    ]


def _vector(vector: Vector) -> str:
    values = ", ".join(str(value) for value in vector.values)
    note = f"  // {vector.note}" if vector.note else ""
    size = len(vector.values)
    return f"  localparam int unsigned {vector.name} [{size}] = '{{{values}}};{note}"
