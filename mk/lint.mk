# Static checks and formatting. build/compile_commands.json says how each source is compiled.

COMPILE_COMMANDS := $(BUILD)/compile_commands.json
C_FILES = $(shell git ls-files --cached --others --exclude-standard -- '*.c' '*.h')
SHELL_FILES := tools/setup.sh .ci/run

format:
	clang-format -i $(C_FILES)

$(COMPILE_COMMANDS): always
	@mkdir -p $(@D)
	@$(MAKE) -f build.mk -n -B image test-image host-tests 2>/dev/null | $(PYTHON) tools/compile-commands.py $@

lint: lint-rules lint-format lint-shell lint-tidy lint-cppcheck lint-commit

lint-rules:
	$(PYTHON) tools/lint.py

lint-format:
	clang-format --dry-run -Werror $(C_FILES)

lint-shell:
	shellcheck $(SHELL_FILES)

lint-tidy: $(COMPILE_COMMANDS) $(SYSCALL_HEADERS) $(FONT_HEADER)
	run-clang-tidy -quiet -p $(BUILD) '^$(CURDIR)/(bench/guest|boot|kernel|lib|user)/'

# Left out: symbols of the linker, which look like pointers into different objects; the program that commits faults on
# purpose; and the tests, which run under sanitizers.
CPPCHECK_FLAGS := --quiet --enable=warning,performance,portability --inline-suppr --error-exitcode=1 \
                  --suppress=missingIncludeSystem --suppress=comparePointers --suppress='nullPointer:user/bin/fault/*' \
                  --suppress='*:tests/*'

lint-cppcheck: $(COMPILE_COMMANDS) $(SYSCALL_HEADERS) $(FONT_HEADER)
	@mkdir -p $(BUILD)/cppcheck
	cppcheck $(CPPCHECK_FLAGS) --cppcheck-build-dir=$(BUILD)/cppcheck --project=$(COMPILE_COMMANDS)

# The second halves of system calls, in the kernel that ships and in the one with the tests.
lint-commit: $(KERNEL_DIR)/core.elf $(KERNEL_DIR)/core-test.elf
	$(PYTHON) tools/check-commit.py $(KERNEL_DIR)/core.elf abi/syscalls.tbl kernel/obj/object_kinds.c
	$(PYTHON) tools/check-commit.py $(KERNEL_DIR)/core-test.elf abi/syscalls.tbl kernel/obj/object_kinds.c

.PHONY: format lint lint-rules lint-commit lint-format lint-shell lint-tidy lint-cppcheck
