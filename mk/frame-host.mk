# Host tests of the page-frame allocator, under the address and undefined-behaviour sanitizers: build/host/.

FRAME_TEST_CFLAGS := $(CSTD) $(WARNINGS) -O1 -g -I. -Itests/host -fsanitize=address,undefined -fno-sanitize-recover=all
FRAME_TEST_SOURCES := tests/host/frame_model.c tests/host/frame_host.c $(KERNEL_MM_FRAME_SOURCES)

$(BUILD)/host/test_memory_map: tests/host/test_memory_map.c kernel/mm/memory_map.c
$(BUILD)/host/test_frame: tests/host/test_frame.c $(FRAME_TEST_SOURCES)

$(BUILD)/host/test_memory_map $(BUILD)/host/test_frame:
	@mkdir -p $(@D)
	$(CC) $(FRAME_TEST_CFLAGS) -MMD -MP -MF $@.d $(filter %.c,$^) -lcmocka -o $@

-include $(wildcard $(BUILD)/host/*.d)
