"""The user's side: a stub for each call."""
from .kernel import BANNER, listed
from .table import REGISTERS

HEAD = """#ifndef QUIRE_SYSCALLS_H
#define QUIRE_SYSCALLS_H

#include <stdint.h>

#include "abi/error.h"
#include "abi/handle.h"
#include "syscall_numbers.h"

/*
 * What the last call of this program lacked that was refused for want of it: see abi/account.h. Defined in libq, for
 * its texts of errors; with several threads it may be another thread's.
 */
extern uint64_t syscall_lack;

/* Number in rax, arguments in rdi rsi rdx r10 r8 r9; error in rax, result in rdx; rcx, r11 and the argument
 * registers are lost. */
static inline enum error sys_raw(uint64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
                                 uint64_t f, uint64_t *value)
{
    register uint64_t r10 __asm__("r10") = d;
    register uint64_t r8 __asm__("r8") = e;
    register uint64_t r9 __asm__("r9") = f;
    __asm__ volatile("syscall"
                     : "+a"(number), "+D"(a), "+S"(b), "+d"(c), "+r"(r10), "+r"(r8), "+r"(r9)
                     :
                     : "rcx", "r11", "memory");
    *value = c;
    return (enum error)number;
}
"""


def is_handle(argument):
    return argument.kind in ("handle", "any") or argument.unit == "handle"


def parameters(call):
    out = []
    for argument in call.arguments:
        if is_handle(argument):
            out.append(f"uint32_t {argument.name}")
        elif argument.kind in ("value", "address"):
            out.append(f"uint64_t {argument.name}")
        else:
            const = "const " if argument.kind == "in" else ""
            out += [f"{const}void *{argument.name}", f"uint64_t {argument.length}"]
    if call.result:
        out.append(f"{'uint32_t' if call.result[0] == 'handle' else 'uint64_t'} *result")
    return listed(out)


def stub(call):
    words = []
    for argument in call.arguments:
        if argument.kind in ("in", "out"):
            words += [f"(uint64_t)(uintptr_t){argument.name}", argument.length]
        else:
            words.append(argument.name)
    words += ["0"] * (len(REGISTERS) - len(words))
    out = [f"static inline {signature(call)}", "{", "    uint64_t value;",
           f"    enum error error = sys_raw(SYS_{call.name.upper()}, {', '.join(words)}, &value);"]
    if call.result:
        kind = "uint32_t" if call.result[0] == "handle" else "uint64_t"
        out += ["    if (error == ERR_NONE) {", f"        *result = ({kind})value;", "    }"]
    if any(error == "ERR_LIMIT" for error, _ in call.errors):
        out += ["    if (error == ERR_LIMIT) {", "        syscall_lack = value;", "    }"]
    out.append("    return error;")
    return "\n".join(out + ["}\n"])


def stubs(calls):
    return "\n".join([BANNER, HEAD] + [stub(call) for call in calls] + ["#endif"]) + "\n"


def signature(call):
    return f"enum error sys_{call.name}({parameters(call)})"
