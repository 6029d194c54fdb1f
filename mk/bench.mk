# Measures against their goals; AREA=NAME for one area.

bench: $(IMAGE) $(TEST_IMAGE)
	@$(PYTHON) tools/bench.py $(AREA)

.PHONY: bench
