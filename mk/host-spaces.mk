# What the host tests of address spaces are built from (beside tests/host/NAME.c): all of kernel/mm that they rest on,
# with the walker of page tables of amd64; and the test with threads, once more under the thread sanitizer.

ASPACE_SOURCES := $(MEMORY_SOURCES) tests/host/mmu_host.c \
                  $(wildcard kernel/mm/aspace*.c kernel/arch/x86_64/tables*.c) kernel/mm/tlb.c kernel/mm/quarantine.c \
                  kernel/lib/avl.c kernel/sched/rwlock.c

$(foreach test,test_aspace test_aspace_failures,\
    $(eval HOST_SOURCES_$(test) := $(ASPACE_SOURCES) tests/host/aspace_model.c tests/host/aspace_operations.c)\
    $(eval HOST_CFLAGS_$(test) := $(MEMORY_CFLAGS) -DQUIRE_CHECKED)\
    $(eval HOST_LIBS_$(test) := -lpthread $(MEMORY_WRAP)))
