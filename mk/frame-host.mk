# Host tests of the page-frame allocator: build/host/. Under the address and undefined-behaviour sanitizers, the
# ones with threads under the thread sanitizer.

FRAME_TEST_FLAGS := $(CSTD) $(WARNINGS) -O1 -g -I. -Itests/host
FRAME_ASAN := -fsanitize=address,undefined -fno-sanitize-recover=all
FRAME_TEST_SOURCES := tests/host/frame_model.c tests/host/frame_host.c $(KERNEL_MM_FRAME_SOURCES)
FRAME_TESTS := test_memory_map test_frame test_frame_special test_frame_small

$(BUILD)/host/test_memory_map: tests/host/test_memory_map.c kernel/mm/memory_map.c
$(BUILD)/host/test_frame: tests/host/test_frame.c $(FRAME_TEST_SOURCES)
$(BUILD)/host/test_frame_special: tests/host/test_frame_special.c $(FRAME_TEST_SOURCES)
$(BUILD)/host/test_frame_small: tests/host/test_frame_small.c $(FRAME_TEST_SOURCES)

$(FRAME_TESTS:%=$(BUILD)/host/%):
	@mkdir -p $(@D)
	$(CC) $(FRAME_TEST_FLAGS) $(FRAME_ASAN) -MMD -MP -MF $@.d $(filter %.c,$^) -lcmocka -o $@

$(BUILD)/host/test_frame_threads: tests/host/test_frame_threads.c tests/host/frame_host.c $(KERNEL_MM_FRAME_SOURCES)
	@mkdir -p $(@D)
	$(CC) $(FRAME_TEST_FLAGS) -fsanitize=thread -MMD -MP -MF $@.d $(filter %.c,$^) -lpthread -o $@

# Fuzzers: build/fuzz/NAME, run on the corpus in tests/fuzz/NAME. `make fuzz-frames` runs each for a minute.
FRAME_FUZZERS := fuzz_memory_map fuzz_frame

$(BUILD)/fuzz/fuzz_memory_map: tests/fuzz/fuzz_memory_map.c kernel/mm/memory_map.c
$(BUILD)/fuzz/fuzz_frame: tests/fuzz/fuzz_frame.c tests/host/frame_host.c $(KERNEL_MM_FRAME_SOURCES)

$(FRAME_FUZZERS:%=$(BUILD)/fuzz/%):
	@mkdir -p $(@D)
	$(CC) $(FRAME_TEST_FLAGS) $(FRAME_ASAN) -fsanitize=fuzzer -MMD -MP -MF $@.d $(filter %.c,$^) -o $@

fuzz-frames: $(FRAME_FUZZERS:%=$(BUILD)/fuzz/%)
	@mkdir -p $(FRAME_FUZZERS:%=$(BUILD)/fuzz/%.corpus)
	for f in $(FRAME_FUZZERS); do $(BUILD)/fuzz/$$f -max_total_time=60 -max_len=4096 $(BUILD)/fuzz/$$f.corpus; done

# The model of entering and draining a cache: build/model/.
$(BUILD)/model/frame_cache: tests/model/frame_cache.pml
	@mkdir -p $(@D)/frame_cache.d
	cd $(@D)/frame_cache.d && spin -a $(CURDIR)/$<
	$(CC) -O2 -w -DSAFETY -DCOLLAPSE -o $@ $(@D)/frame_cache.d/pan.c

test-frames: $(FRAME_TESTS:%=$(BUILD)/host/%) $(BUILD)/host/test_frame_threads $(BUILD)/model/frame_cache
	set -e; for t in $(FRAME_TESTS) test_frame_threads; do $(BUILD)/host/$$t; done
	cd $(BUILD)/model && ./frame_cache -m100000 | tee frame_cache.out
	grep -q 'errors: 0' $(BUILD)/model/frame_cache.out

.PHONY: fuzz-frames test-frames

-include $(wildcard $(BUILD)/host/*.d $(BUILD)/fuzz/*.d)
