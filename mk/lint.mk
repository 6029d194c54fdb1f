# Static checks and formatting. build/compile_commands.json says how each source is compiled.

COMPILE_COMMANDS := $(BUILD)/compile_commands.json
C_FILES = $(shell git ls-files --cached --others --exclude-standard -- '*.c' '*.h')
SHELL_FILES := tools/setup.sh .ci/run

format:
	clang-format -i $(C_FILES)

$(COMPILE_COMMANDS): always
	@mkdir -p $(@D)
	@$(MAKE) -f build.mk -n -B image test-image host-tests 2>/dev/null | $(PYTHON) tools/compile-commands.py $@

lint: lint-rules lint-format lint-shell lint-tidy lint-cppcheck

lint-rules:
	$(PYTHON) tools/lint.py

lint-format:
	clang-format --dry-run -Werror $(C_FILES)

lint-shell:
	shellcheck $(SHELL_FILES)

lint-tidy: $(COMPILE_COMMANDS) $(SYSCALL_HEADERS) $(FONT_HEADER)
	run-clang-tidy -quiet -p $(BUILD) '^$(CURDIR)/(boot|kernel|lib|user|tests)/'

lint-cppcheck: $(COMPILE_COMMANDS) $(SYSCALL_HEADERS) $(FONT_HEADER)
	cppcheck --quiet --project=$(COMPILE_COMMANDS) --enable=warning,performance,portability --inline-suppr \
		--error-exitcode=1 --suppress=missingIncludeSystem --cppcheck-build-dir=$(BUILD)/cppcheck

.PHONY: format lint lint-rules lint-format lint-shell lint-tidy lint-cppcheck
