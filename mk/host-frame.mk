# What the host tests of the page-frame allocator are built from (beside tests/host/NAME.c), and its proofs that
# are not unit tests: threads under the thread sanitizer, and the model of its caches.

FRAME_TEST_SOURCES := tests/host/frame_model.c tests/host/frame_host.c $(KERNEL_MM_FRAME_SOURCES)

HOST_SOURCES_test_memory_map := kernel/mm/memory_map.c
HOST_SOURCES_fuzz_memory_map := kernel/mm/memory_map.c

$(foreach test,test_frame test_frame_apart test_frame_order test_frame_share test_frame_special test_frame_small,\
    $(eval HOST_CFLAGS_$(test) := -Itests/host) $(eval HOST_SOURCES_$(test) := $(FRAME_TEST_SOURCES)))

HOST_CFLAGS_test_frame_threads := -Itests/host
HOST_SOURCES_test_frame_threads := tests/host/frame_host.c $(KERNEL_MM_FRAME_SOURCES)
HOST_LIBS_test_frame_threads := -lpthread
HOST_CFLAGS_fuzz_frame := -Itests/host
HOST_SOURCES_fuzz_frame := tests/host/frame_host.c $(KERNEL_MM_FRAME_SOURCES)

$(HOST)/tsan_frame_threads: tests/host/test_frame_threads.c $(HOST_SOURCES_test_frame_threads)
	@mkdir -p $(@D)
	@echo '  LD    $@'
	@$(CC) $(HOST_CFLAGS) -Itests/host -fsanitize=thread -MF $@.d $(filter %.c,$^) -lpthread -lcmocka -o $@

$(HOST)/model_frame_cache: tests/model/frame_cache.pml
	@mkdir -p $@.build
	@cd $@.build && spin -a $(CURDIR)/$<
	@$(CC) -O2 -w -DSAFETY -DCOLLAPSE -o $@ $@.build/pan.c

$(HOST)/frame_example: tests/host/frame_example.c tests/host/frame_host.c $(HOST)/libframe.a
	@$(CC) $(CSTD) $(WARNINGS) -O2 -I. -Itests/host -no-pie -MMD -MP -MF $@.d $(filter %.c %.a,$^) -lpthread -o $@

frame-threads: $(HOST)/tsan_frame_threads
	@$<

frame-example: $(HOST)/frame_example
	@$<

# Spin's verifier says how many errors there are, and succeeds either way.
frame-model: $(HOST)/model_frame_cache
	@cd $(HOST) && ./model_frame_cache -m1000000 | tee model_frame_cache.log
	@grep -q 'errors: 0' $(HOST)/model_frame_cache.log

.PHONY: frame-threads frame-example frame-model

-include $(HOST)/tsan_frame_threads.d $(HOST)/frame_example.d
