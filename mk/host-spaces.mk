# What the host tests of address spaces are built from (beside tests/host/NAME.c): all of kernel/mm that they rest on,
# with the walker of page tables of amd64. The test with threads once more under the thread sanitizer, and the one with
# the model for longer, with other seeds.

ASPACE_SOURCES := $(MEMORY_SOURCES) tests/host/mmu_host.c \
                  $(wildcard kernel/mm/aspace*.c kernel/arch/x86_64/tables*.c) kernel/mm/tlb.c kernel/mm/quarantine.c \
                  kernel/lib/avl.c kernel/sched/rwlock.c
ASPACE_WRAP := $(MEMORY_WRAP) -Wl,--wrap=tlb_flush -Wl,--wrap=tlb_flush_later

$(foreach test,test_aspace test_aspace_failures test_aspace_huge test_aspace_large test_aspace_lingering \
    test_aspace_views,\
    $(eval HOST_SOURCES_$(test) := $(ASPACE_SOURCES) tests/host/aspace_model.c tests/host/aspace_objects.c \
        tests/host/aspace_operations.c tests/host/memory_check.c)\
    $(eval HOST_CFLAGS_$(test) := $(MEMORY_CFLAGS) -DQUIRE_CHECKED)\
    $(eval HOST_LIBS_$(test) := -lpthread $(ASPACE_WRAP)))

aspace-model: $(HOST)/test_aspace
	@$< 2 1

HOST_SOURCES_test_aspace_threads := $(ASPACE_SOURCES) tests/host/pager_host.c
HOST_CFLAGS_test_aspace_threads := $(MEMORY_CFLAGS) -DQUIRE_CHECKED
HOST_LIBS_test_aspace_threads := -lpthread $(ASPACE_WRAP)

$(HOST)/tsan_aspace_threads: tests/host/test_aspace_threads.c tests/host/pager_host.c $(ASPACE_SOURCES)
	@mkdir -p $(@D)
	@echo '  LD    $@'
	@$(CC) $(HOST_CFLAGS) $(HOST_CFLAGS_test_aspace_threads) -fsanitize=thread -MF $@.d $(filter %.c,$^) $(ASPACE_WRAP) \
	    -lpthread -lcmocka -o $@

aspace-threads: $(HOST)/tsan_aspace_threads
	@$<

.PHONY: aspace-model aspace-threads

-include $(HOST)/tsan_aspace_threads.d
