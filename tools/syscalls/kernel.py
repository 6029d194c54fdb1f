"""The kernel's side: prototypes of the two halves of each call, and the decoders that lead to them."""
BANNER = "/* Made by tools/gen-syscalls.py from abi/syscalls.tbl. */\n"


def numbers(calls):
    out = [BANNER, "#ifndef QUIRE_SYSCALL_NUMBERS_H\n#define QUIRE_SYSCALL_NUMBERS_H\n"]
    out += [f"#define SYS_{call.name.upper()} {call.number}" for call in calls]
    out.append(f"\n#define SYS_COUNT {calls[-1].number + 1}\n")
    out.append("/* X(NUMBER, NAME) */")
    out.append("#define SYS_NAMES(X) \\")
    out += [f"    X({call.number}, {call.name}) \\" for call in calls]
    out.append("\n#endif")
    return "\n".join(out) + "\n"


def parameters(call):
    """The arguments as C parameters: typed, and in range."""
    out = []
    for argument in call.arguments:
        if argument.kind == "handle":
            out.append(f"struct {argument.type} *{argument.name}")
        elif argument.kind in ("value", "any"):
            out.append(f"uint64_t {argument.name}")
        elif argument.kind == "address":
            out.append(f"uaddr_t {argument.name}")
        else:
            out += [f"uaddr_t {argument.name}", f"uint64_t {argument.length}"]
    return out


def values(call):
    """What the decoder hands over for them."""
    out = []
    for slot, argument in call.placed():
        if argument.kind == "handle":
            out.append(argument.name)
        elif argument.kind in ("value", "any"):
            out.append(f"word[{slot}]")
        elif argument.kind == "address":
            out.append(f"uaddr(word[{slot}])")
        else:
            out += [f"uaddr(word[{slot}])", f"word[{slot + 1}]"]
    return out


def listed(words):
    return ", ".join(words) or "void"


def prototypes(calls):
    out = [BANNER]
    for call in calls:
        result = ["uint64_t *result"] if call.result else []
        outcome = ["enum error *outcome"] if call.blocks == "yes" else []
        if call.halves == "both":
            out.append(f"struct {call.name}_plan;")
            plan = [f"struct {call.name}_plan *plan"]
            out.append(f"enum error prepare_{call.name}({listed(parameters(call) + plan)}) MUST_CHECK;")
            out.append(f"COMMIT void commit_{call.name}({listed(plan + result)});")
        elif call.halves == "prepare":
            out.append(f"enum error prepare_{call.name}({listed(parameters(call) + result)}) MUST_CHECK;")
        else:
            out.append(f"COMMIT void commit_{call.name}({listed(parameters(call) + result + outcome)});")
    return "\n".join(out) + "\n"


def right_expression(call, right):
    """A right by name, or what @VALUE and +VALUE stand for."""
    if right.startswith("@"):
        return f"access_rights(word[{call.slot_of(right[1:])}])"
    if right.startswith("+"):
        return f"code_right(word[{call.slot_of(right[1:])}])"
    return f"RIGHT_{right.upper()}"


def range_checks(call):
    for slot, argument in call.placed():
        if argument.kind == "value":
            tests = [f"word[{slot}] < {argument.low}u" if argument.low not in ("", "0") else "",
                     f"word[{slot}] > {argument.high}u" if argument.high else ""]
            test = " || ".join(test for test in tests if test)
            if test:
                yield test, "ERR_BAD_ARGUMENT"
        elif argument.kind in ("in", "out"):
            yield f"word[{slot + 1}] > {argument.high}u", "ERR_BAD_ARGUMENT"
            yield f"!user_range_valid(uaddr(word[{slot}]), word[{slot + 1}])", "ERR_BAD_ADDRESS"


def look_up(call, index, slot, argument):
    """Find one handle; on failure leave, having let go of those before."""
    rights = " | ".join(right_expression(call, right) for right in argument.rights) or "0"
    want = f"handle_want(OBJECT_{argument.type.upper()}, {rights})"
    leave = [f"        r = refused_handle(word[{slot}], {want});", "        goto out;"]
    if argument.brief:
        leave.insert(0, f"        let_go({index});")
    way = f"hold(word[{slot}], {want})" if call.holds(argument) else f"look(word[{slot}], {want}, {index})"
    find = f"{argument.name} = (struct {argument.type} *){way};"
    if argument.optional:
        return [f"    if (word[{slot}] == 0) {{", f"        {argument.name} = caller()->{argument.type};",
                f"    }} else if (({find[:-1]}) == NULL) {{", *leave, "    }"]
    return [f"    {find}", f"    if ({argument.name} == NULL) {{", *leave, "    }"]


def let_go(call, index, slot, argument):
    if argument.brief:
        return []
    if not call.holds(argument):
        return [f"    let_go({index});"]
    test = f"{argument.name} != NULL" + (f" && word[{slot}] != 0" if argument.optional else "")
    return [f"    if ({test}) {{", f"        {argument.type}_release({argument.name});", "    }"]


def halves(call):
    """The calls of the two halves, when all arguments are there."""
    result = ["&r.value"] if call.result else []
    if call.halves == "commit" and call.blocks == "no":
        return [f"commit_{call.name}({', '.join(values(call) + result)});"]
    if call.halves == "commit":
        arguments = ", ".join(values(call) + result + ["&outcome"])
        return ["enum error outcome = ERR_NONE;", f"commit_{call.name}({arguments});",
                "r = concluded(outcome, r.value);"]
    if call.halves == "prepare":
        return [f"enum error error = prepare_{call.name}({', '.join(values(call) + result)});",
                "r = concluded(error, r.value);"]
    return [f"struct {call.name}_plan plan;",
            f"enum error error = prepare_{call.name}({', '.join(values(call) + ['&plan'])});",
            "if (error == ERR_NONE) {",
            f"    commit_{call.name}({', '.join(['&plan'] + result)});",
            "} else {",
            "    r = refused(error);",
            "}"]


def decoder(call):
    """Plain values are checked before handles, so that nothing is held when a value is refused."""
    handles = call.handles()
    out = [f"static struct syscall_result decode_{call.name}(const uint64_t *word)", "{"]
    if not call.arguments:
        out.append("    (void)word;")
    for test, error in range_checks(call):
        out += [f"    if ({test}) {{", f"        return refused({error});", "    }"]
    out.append("    struct syscall_result r = {ERR_NONE, 0};")
    out += [f"    struct {argument.type} *{argument.name} = NULL;" for _, argument in handles]
    out += ["    step_begin();"] if call.steps == "yes" else []
    for index, (slot, argument) in enumerate(handles):
        out += look_up(call, index, slot, argument)
    body = halves(call)
    scope = bool(handles) and len(body) > 1  # no jump past a declaration
    out += ["    {"] if scope else []
    out += [("        " if scope else "    ") + line for line in body]
    out += ["    }"] if scope else []
    if handles:
        out.append("out:")
    for index, (slot, argument) in reversed(list(enumerate(handles))):
        out += let_go(call, index, slot, argument)
    out += ["    step_over();"] if call.steps == "yes" else []
    out += ["    return r;", "}\n"]
    return "\n".join(out)


def decode(calls):
    out = [BANNER]
    out += [decoder(call) for call in calls]
    names = {call.number: call.name for call in calls}
    out.append("syscall_decoder *const syscall_decoders[SYS_COUNT] = {")
    out += [f"    decode_{names.get(number, 'none')}," for number in range(calls[-1].number + 1)]
    out.append("};")
    return "\n".join(out) + "\n"
