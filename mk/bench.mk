# Measures against the table of what was accepted; AREA=NAME for one area.

bench: $(IMAGE) $(TEST_IMAGE)
	@$(PYTHON) tools/bench.py $(AREA) $(APPEND)

# How page faults scale over two CPUs, in time.
bench-faults: $(IMAGE)
	@$(PYTHON) tools/faultrate.py

# What happened on each CPU in a boot, as a timeline.
trace: $(IMAGE)
	@$(PYTHON) tools/timeline.py boot

# Everything at once for a long time.
soak: $(IMAGE)
	@$(PYTHON) tests/guest/soak.py $(or $(SECONDS),600)

bench-accept: $(IMAGE) $(TEST_IMAGE)
	@$(PYTHON) tools/bench.py --accept $(AREA)

.PHONY: bench bench-accept bench-faults trace soak
