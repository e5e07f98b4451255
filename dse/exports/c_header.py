"""A C header of a design: the same parameters as in SystemVerilog, for firmware."""

from __future__ import annotations

from dse.exports.parameters import Choice, Parameters, Vector


def c_header(parameters: Parameters) -> str:
    """C11 (C++11 reads it too): constants, enumerations, tables, and what must hold of them."""
    lines = [
        f"/* edge-dse design {parameters.design_hash}: parameters; design.json has the rest. */",
        "#ifndef EDGE_DSE_PARAMS_H",
        "#define EDGE_DSE_PARAMS_H",
        "",
        "#include <stdint.h>",
        "",
        f"#define EDGE_DSE_DESIGN_HASH UINT64_C(0x{parameters.design_hash})",
        f'#define EDGE_DSE_DESIGN_HASH_TEXT "{parameters.design_hash}"',
    ]
    for parameter in parameters.numbers:
        suffix = f"UINT64_C({parameter.value})" if parameter.wide else f"{parameter.value}U"
        note = f"  /* {parameter.note} */" if parameter.note else ""
        lines.append(f"#define EDGE_DSE_{parameter.name} {suffix}{note}")
    for choice in parameters.choices:
        lines += _choice(choice)
    lines += [line for vector in parameters.vectors for line in _vector(vector)]
    lines += ["", "#endif /* EDGE_DSE_PARAMS_H */", ""]
    return "\n".join(lines)


def _choice(choice: Choice) -> list[str]:
    members = [
        f"  EDGE_DSE_{choice.constant(member)} = {code}"
        for code, member in enumerate(choice.members)
    ]
    return [
        "",
        f"enum edge_dse_{choice.name} {{",
        ",\n".join(members),
        "};",
        f"#define EDGE_DSE_{choice.name.upper()} EDGE_DSE_{choice.constant(choice.value)}",
    ]


def _vector(vector: Vector) -> list[str]:
    values = ", ".join(f"{value}U" for value in vector.values)
    note = f"  /* {vector.note} */" if vector.note else ""
    size = f"EDGE_DSE_{vector.name}_COUNT"
    return [
        "",
        f"#define {size} {len(vector.values)}U{note}",
        f"#define EDGE_DSE_{vector.name} {{{values}}}",
    ]
