# The kernel: build/kernel/core (with symbols: core.elf).
