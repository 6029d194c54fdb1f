# Generated headers: build/gen/.

GEN := $(BUILD)/gen
SYSCALL_HEADERS := $(addprefix $(GEN)/,syscall_numbers.h syscall_calls.h syscall_decode.inc syscalls.h \
                     syscall_grammar.h)

$(GEN)/.syscalls: abi/syscalls.tbl abi/handle.h abi/error.h tools/gen-syscalls.py $(wildcard tools/syscalls/*.py)
	@mkdir -p $(GEN)
	$(PYTHON) tools/gen-syscalls.py abi/syscalls.tbl $(GEN) docs/syscalls.md
	@touch $@

$(SYSCALL_HEADERS): $(GEN)/.syscalls
