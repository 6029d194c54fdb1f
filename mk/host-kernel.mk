# What the host tests of the kernel are built from (beside tests/host/NAME.c).

HOST_SOURCES_test_acpi_tables := kernel/arch/x86_64/acpi_tables.c lib/text.c
HOST_SOURCES_test_boot_ram := kernel/init/boot_ram.c kernel/mm/memory_map.c
HOST_CFLAGS_test_boot_ram := -iquote kernel/arch/host
HOST_SOURCES_test_avl := kernel/lib/avl.c
HOST_SOURCES_test_keymap := kernel/arch/x86_64/keymap.c
HOST_SOURCES_test_terminal := kernel/debug/terminal.c

# The page-table walker of amd64 and the kernel's own mappings; its 4 KiB "frames" are the test's.
HOST_SOURCES_test_tables := $(wildcard kernel/arch/x86_64/tables*.c) kernel/arch/x86_64/paging.c \
                            tests/host/tables_memory.c tests/host/tables_model.c
HOST_CFLAGS_test_tables := -iquote kernel/arch/host -DQUIRE_CHECKED
HOST_LIBS_test_tables := -lpthread

HOST_SOURCES_fuzz_acpi_tables := kernel/arch/x86_64/acpi_tables.c lib/text.c

# Objects, handles and accounts, with threads in place of CPUs.
KERNEL_HOST_SOURCES := tests/host/kernel_host.c kernel/debug/inject.c kernel/mm/account.c kernel/mm/charged.c \
                       kernel/obj/account_tree.c kernel/obj/object.c kernel/sched/lock_debug.c kernel/sched/spinlock.c \
                       kernel/sched/steps.c tests/host/lock_host.c lib/text.c
OBJECT_SOURCES := $(KERNEL_HOST_SOURCES) tests/host/kernel_host_objects.c kernel/obj/derive.c kernel/obj/handle.c
OBJECT_CFLAGS := -iquote kernel/arch/host

OBJECT_TESTS := test_going_threads test_handle test_handle_threads test_account test_account_threads

$(foreach test,$(OBJECT_TESTS),\
    $(eval HOST_SOURCES_$(test) := $(OBJECT_SOURCES)) $(eval HOST_CFLAGS_$(test) := $(OBJECT_CFLAGS)) \
    $(eval HOST_LIBS_$(test) := -lpthread))

$(HOST)/tsan_%_threads: tests/host/test_%_threads.c $(OBJECT_SOURCES)
	@mkdir -p $(@D)
	@echo '  LD    $@'
	@$(CC) $(HOST_CFLAGS) $(OBJECT_CFLAGS) -fsanitize=thread -MF $@.d $(filter %.c,$^) -lpthread -lcmocka -o $@

handle-threads: $(HOST)/tsan_handle_threads
	@$<

# Memory objects, with the frame allocator as it is, and spaces that the test plays.
MEMORY_SOURCES := $(KERNEL_HOST_SOURCES) tests/host/memory_host.c tests/host/memory_books.c tests/host/frame_host.c \
                  $(KERNEL_MM_FRAME_SOURCES) $(filter-out kernel/mm/memory_map.c,$(wildcard kernel/mm/memory*.c))
MEMORY_CFLAGS := -iquote kernel/arch/host -Itests/host
MEMORY_WRAP := -Wl,--wrap=frame_share -Wl,--wrap=frame_share_row -Wl,--wrap=frame_drop

$(foreach test,test_memory test_memory_cases test_memory_views test_memory_threads,\
    $(eval HOST_SOURCES_$(test) := $(MEMORY_SOURCES) tests/host/memory_space.c tests/host/memory_lingering.c \
        tests/host/memory_check.c tests/host/pager_host.c)\
    $(eval HOST_CFLAGS_$(test) := $(MEMORY_CFLAGS))\
    $(eval HOST_LIBS_$(test) := -lpthread $(MEMORY_WRAP)))

$(HOST)/tsan_memory_threads: tests/host/test_memory_threads.c tests/host/memory_space.c tests/host/memory_lingering.c \
        tests/host/pager_host.c $(MEMORY_SOURCES)
	@mkdir -p $(@D)
	@echo '  LD    $@'
	@$(CC) $(HOST_CFLAGS) $(MEMORY_CFLAGS) -fsanitize=thread -MF $@.d $(filter %.c,$^) $(MEMORY_WRAP) -lpthread \
	    -lcmocka -o $@

memory-threads: $(HOST)/tsan_memory_threads
	@$<

account-threads: $(HOST)/tsan_account_threads
	@$<

# The model of hazard slots, and two broken forms of it. Spin's verifier says how many errors there are, and succeeds
# either way.
HAZARD_BROKEN := PLAIN_PUBLISH LATE_CLOSE
HAZARD_MODELS := $(HOST)/model_hazard $(HAZARD_BROKEN:%=$(HOST)/model_hazard_%)

$(HAZARD_MODELS): tests/model/hazard.pml
	@mkdir -p $@.build
	@cd $@.build && spin -a $(patsubst model_hazard_%,-D%,$(filter model_hazard_%,$(@F))) $(CURDIR)/$<
	@$(CC) -O2 -w -DSAFETY -DCOLLAPSE -o $@ $@.build/pan.c

hazard-model: $(HAZARD_MODELS)
	@cd $(HOST) && ./model_hazard -m1000000 | tee model_hazard.log
	@grep -q 'errors: 0' $(HOST)/model_hazard.log
	@cd $(HOST) && for broken in $(HAZARD_BROKEN); do \
	    ./model_hazard_$$broken -m1000000 >model_hazard_$$broken.log; \
	    grep -q 'errors: 1' model_hazard_$$broken.log || { echo "Spin finds nothing wrong with $$broken"; exit 1; }; done

.PHONY: handle-threads account-threads memory-threads hazard-model

-include $(HOST)/tsan_handle_threads.d $(HOST)/tsan_account_threads.d $(HOST)/tsan_memory_threads.d
