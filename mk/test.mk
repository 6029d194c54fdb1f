# The tests. What one needs, it builds itself, so that a build that fails is a test that fails.

test:
	@$(PYTHON) tests/run.py

check:
	@$(PYTHON) tests/run.py --quick

test-image: $(TEST_IMAGE) $(CHECKED_IMAGE)

.PHONY: test check test-image
