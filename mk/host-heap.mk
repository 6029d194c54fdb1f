# What the host tests of the kernel's heap are built from (beside tests/host/NAME.c): the heap as it is, over the frame
# allocator as it is, on the architecture "a Linux host"; and its test with threads, once more under the thread
# sanitizer. The tests make frame allocations fail, so these are wrapped.

HEAP_SOURCES := $(wildcard kernel/mm/heap*.c kernel/mm/slab*.c) kernel/mm/frame_report.c \
    kernel/sched/lock_debug.c kernel/sched/spinlock.c tests/host/lock_host.c \
    kernel/arch/host/host.c lib/text.c tests/host/frame_host.c $(KERNEL_MM_FRAME_SOURCES)
HEAP_CFLAGS := -iquote kernel/arch/host -Itests/host
HEAP_WRAP := -Wl,--wrap=frame_alloc -Wl,--wrap=frame_alloc_run

$(foreach test,test_slab test_slab_debug,\
    $(eval HOST_CFLAGS_$(test) := $(HEAP_CFLAGS))\
    $(eval HOST_SOURCES_$(test) := tests/host/heap_model.c $(HEAP_SOURCES))\
    $(eval HOST_LIBS_$(test) := $(HEAP_WRAP)))

HOST_CFLAGS_test_slab_threads := $(HEAP_CFLAGS)
HOST_SOURCES_test_slab_threads := $(HEAP_SOURCES)
HOST_LIBS_test_slab_threads := -lpthread

$(HOST)/tsan_slab_threads: tests/host/test_slab_threads.c $(HEAP_SOURCES)
	@mkdir -p $(@D)
	@echo '  LD    $@'
	@$(CC) $(HOST_CFLAGS) $(HEAP_CFLAGS) -fsanitize=thread -MF $@.d $(filter %.c,$^) -lpthread -lcmocka -o $@

heap-threads: $(HOST)/tsan_slab_threads $(HOST)/test_slab_threads
	@$<
	@$< debug
	@$(HOST)/test_slab_threads debug

$(HOST)/model_heap_hands: tests/model/heap_hands.pml
	@mkdir -p $@.build
	@cd $@.build && spin -a $(CURDIR)/$<
	@$(CC) -O2 -w -DSAFETY -DCOLLAPSE -o $@ $@.build/pan.c

heap-model: $(HOST)/model_heap_hands
	@cd $(HOST) && ./model_heap_hands -m1000000 | tee model_heap_hands.log
	@grep -q 'errors: 0' $(HOST)/model_heap_hands.log

.PHONY: heap-threads heap-model

-include $(HOST)/tsan_slab_threads.d
