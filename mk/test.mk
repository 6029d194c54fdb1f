# The tests. What one needs, it builds itself, so that a build that fails is a test that fails.

test:
	@$(PYTHON) tests/run.py

check:
	@$(PYTHON) tests/run.py --quick

# System calls of all kinds for SECONDS seconds, by the kernel with checks; the seeds are told.
fuzz-syscalls: $(CHECKED_IMAGE)
	@$(PYTHON) tests/guest/fuzz_syscalls.py $(or $(SECONDS),60)

test-image: $(TEST_IMAGE) $(CHECKED_IMAGE)

.PHONY: test check test-image fuzz-syscalls
