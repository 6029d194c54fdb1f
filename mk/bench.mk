# Measures against the table of what was accepted; AREA=NAME for one area.

bench: $(IMAGE) $(TEST_IMAGE)
	@$(PYTHON) tools/bench.py $(AREA) $(APPEND)

bench-accept: $(IMAGE) $(TEST_IMAGE)
	@$(PYTHON) tools/bench.py --accept $(AREA)

.PHONY: bench bench-accept
