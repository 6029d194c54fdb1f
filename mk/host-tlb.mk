# What the tests of the CPUs' memory of page tables are built from (beside tests/host/NAME.c), and their model: Spin
# finds nothing wrong with it on two CPUs and on three, and something with each mistake. Its verifier says how many
# errors there are, and succeeds either way.

TLB_MODEL := tests/model/tlb.pml
TLB_MISTAKES := 1 2 3 4 5 6 7 8 9 10 11
TLB_MODEL_2cpu := -DCPUS=2 -DOPS=4
TLB_MODEL_3cpu := -DCPUS=3 -DOPS=2
$(foreach n,$(TLB_MISTAKES),$(eval TLB_MODEL_$(n) := -DCPUS=2 -DOPS=5 -DBROKEN=$(n)))

$(HOST)/model_tlb_%: $(TLB_MODEL) mk/host-tlb.mk
	@mkdir -p $@.build
	@cd $@.build && spin -a $(TLB_MODEL_$*) $(CURDIR)/$<
	@$(CC) -O2 -w -DSAFETY -DCOLLAPSE -o $@ $@.build/pan.c

tlb-model: $(HOST)/model_tlb_2cpu $(HOST)/model_tlb_3cpu $(TLB_MISTAKES:%=$(HOST)/model_tlb_%)
	@for n in 2cpu 3cpu; do \
	    (cd $(HOST) && ./model_tlb_$$n -m1000000 | tee model_tlb_$$n.log); \
	    grep -q 'errors: 0' $(HOST)/model_tlb_$$n.log || { echo "Spin finds an error with $$n"; exit 1; }; done
	@for n in $(TLB_MISTAKES); do \
	    (cd $(HOST) && ./model_tlb_$$n -m1000000 >model_tlb_$$n.log); \
	    grep -q 'errors: 1' $(HOST)/model_tlb_$$n.log || { echo "Spin does not find mistake $$n"; exit 1; }; done

.PHONY: tlb-model

# The requests and the quarantine, with threads in place of CPUs.
TLB_SOURCES := kernel/mm/tlb.c kernel/mm/quarantine.c kernel/sched/lock_debug.c kernel/sched/spinlock.c \
               tests/host/lock_host.c lib/text.c
HOST_SOURCES_test_tlb := $(TLB_SOURCES)
HOST_CFLAGS_test_tlb := -iquote kernel/arch/host
HOST_LIBS_test_tlb := -lpthread

$(HOST)/tsan_tlb: tests/host/test_tlb.c $(TLB_SOURCES)
	@mkdir -p $(@D)
	@echo '  LD    $@'
	@$(CC) $(HOST_CFLAGS) $(HOST_CFLAGS_test_tlb) -fsanitize=thread -MF $@.d $(filter %.c,$^) -lpthread -lcmocka -o $@

tlb-threads: $(HOST)/tsan_tlb
	@$<

.PHONY: tlb-threads

-include $(HOST)/tsan_tlb.d
