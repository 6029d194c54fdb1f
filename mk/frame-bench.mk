# The page-frame allocator as a library for the host, and its benchmark against the textbook baseline.
#
# The library is compiled as the kernel's copy is, as far as code generation goes: no vector registers.

FRAME_LIB_CFLAGS := $(CSTD) $(WARNINGS) -O2 -I. -Itests/host -ffreestanding -mgeneral-regs-only -fno-pie
FRAME_LIB_OBJECTS := $(KERNEL_MM_FRAME_SOURCES:%.c=$(BUILD)/host/lib/%.o)
FRAME_BENCH_SOURCES := bench/frames.c bench/baseline/buddy.c tests/host/frame_host.c

$(BUILD)/host/lib/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(FRAME_LIB_CFLAGS) -MMD -MP -c $< -o $@

$(BUILD)/host/libframe.a: $(FRAME_LIB_OBJECTS)
	rm -f $@
	llvm-ar rcs $@ $^

$(BUILD)/host/bench-frames: $(FRAME_BENCH_SOURCES) $(BUILD)/host/libframe.a
	$(CC) $(CSTD) $(WARNINGS) -O2 -I. -Itests/host -fno-pie -no-pie -MMD -MP -MF $@.d $(filter %.c %.a,$^) -lpthread -o $@

$(BUILD)/host/bench-packing: bench/packing.c bench/baseline/buddy.c tests/host/frame_host.c $(BUILD)/host/libframe.a
	$(CC) $(CSTD) $(WARNINGS) -O2 -I. -Itests/host -fno-pie -no-pie -MMD -MP -MF $@.d $(filter %.c %.a,$^) -lpthread -o $@

bench-frames: $(BUILD)/host/bench-frames $(BUILD)/host/bench-packing
	$(BUILD)/host/bench-frames
	$(BUILD)/host/bench-packing
	$(PYTHON) tools/bench-frames.py $(BUILD)/host/bench-frames

.PHONY: bench-frames

-include $(FRAME_LIB_OBJECTS:.o=.d) $(BUILD)/host/bench-frames.d $(BUILD)/host/bench-packing.d
