# Generated headers: build/gen/.

GEN := $(BUILD)/gen
SYSCALL_HEADERS := $(GEN)/syscall_numbers.h $(GEN)/syscall_decode.inc $(GEN)/syscalls.h

$(GEN)/.syscalls: abi/syscalls.tbl tools/gen-syscalls.py
	@mkdir -p $(GEN)
	$(PYTHON) tools/gen-syscalls.py abi/syscalls.tbl $(GEN) docs/syscalls.md
	@touch $@

$(SYSCALL_HEADERS): $(GEN)/.syscalls
