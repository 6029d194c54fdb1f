# Measures against their goals; AREA=NAME for one area.

bench: $(IMAGE)
	@$(PYTHON) tools/bench.py $(AREA)

.PHONY: bench
