"""What tests go by: the grammar of all calls as tables in C, for the authority audit and the fuzzer."""
from .kernel import BANNER

HEAD = """#ifndef QUIRE_SYSCALL_GRAMMAR_H
#define QUIRE_SYSCALL_GRAMMAR_H

#include <stdbool.h>
#include <stdint.h>

#include "abi/handle.h"
#include "syscall_numbers.h"

enum grammar_kind { GRAMMAR_HANDLE, GRAMMAR_ANY, GRAMMAR_VALUE, GRAMMAR_ADDRESS, GRAMMAR_IN, GRAMMAR_OUT };
enum grammar_unit {
    UNIT_NONE, UNIT_NUMBER, UNIT_HANDLE, UNIT_MASK, UNIT_BYTES, UNIT_FRAMES, UNIT_NANOSECONDS, UNIT_ADDRESS
};

#define GRAMMAR_NO_SLOT 0xff

struct grammar_argument {
    uint8_t kind;         /* enum grammar_kind */
    uint8_t slot;         /* of the first register; memory has two, address and length */
    uint8_t unit;         /* of a value */
    uint8_t type;         /* of a handle: enum object_type, OBJECT_NONE for any */
    uint8_t access;       /* of a handle: the slot of a value whose access needs further rights, or GRAMMAR_NO_SLOT */
    uint8_t code;         /* the same of one that needs RIGHT_CODE when it has write and execute */
    bool optional;        /* 0 stands for something */
    uint32_t rights;      /* of a handle: what it needs */
    uint64_t low, high;   /* of a value, or of the length of memory */
};

struct grammar_call {
    uint32_t number;
    uint32_t count; /* of arguments */
    const char *name;
    uint8_t result; /* unit of the result, or UNIT_NONE */
    bool blocks;
    struct grammar_argument arguments[6];
};
"""


def rights_mask(argument):
    return " | ".join(f"RIGHT_{right.upper()}" for right in argument.fixed_rights()) or "0"


def row(call, slot, argument):
    access = f"{call.slot_of(argument.by_access())}" if argument.by_access() else "GRAMMAR_NO_SLOT"
    code = f"{call.slot_of(argument.by_code())}" if argument.by_code() else "GRAMMAR_NO_SLOT"
    fields = {"kind": f"GRAMMAR_{argument.kind.upper()}", "slot": slot, "access": access, "code": code,
              "unit": f"UNIT_{(argument.unit or 'none').upper()}",
              "type": f"OBJECT_{(argument.type or 'none').upper()}",
              "optional": "true" if argument.optional else "false", "rights": rights_mask(argument),
              "low": f"{argument.low or 0}u", "high": f"{argument.high or '0xffffffffffffffff'}u"}
    return "{" + ", ".join(f".{name} = {value}" for name, value in fields.items()) + "}"


def grammar(calls):
    out = [BANNER, HEAD, "static const struct grammar_call grammar_calls[] = {"]
    for call in calls:
        result = f"UNIT_{call.result[0].upper()}" if call.result else "UNIT_NONE"
        blocks = "true" if call.blocks == "yes" else "false"
        arguments = ",\n         ".join(row(call, slot, argument) for slot, argument in call.placed())
        out.append(f"    {{{call.number}, {len(call.arguments)}, \"{call.name}\", {result}, {blocks},\n"
                   f"        {{{arguments}}}}},")
    out += ["};", "#define GRAMMAR_CALLS (sizeof grammar_calls / sizeof grammar_calls[0])\n", "#endif"]
    return "\n".join(out) + "\n"
