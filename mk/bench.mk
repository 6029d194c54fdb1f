# Measures against their goals; AREA=NAME for one area.

bench: $(IMAGE)
	@$(PYTHON) tools/bench.py $(AREA)

# What happened on each CPU in a boot, as a timeline.
trace: $(IMAGE)
	@$(PYTHON) tools/timeline.py boot

# Everything at once for a long time.
soak: $(IMAGE)
	@$(PYTHON) tests/guest/soak.py $(or $(SECONDS),600)

.PHONY: bench trace soak
