# What the host tests of the scheduler are built from (beside tests/host/NAME.c).

HOST_SOURCES_test_leftist := kernel/lib/leftist.c
HOST_SOURCES_test_run_queue := kernel/sched/run_queue.c
HOST_SOURCES_test_time := kernel/arch/x86_64/rtc_decode.c kernel/arch/x86_64/tsc_judge.c lib/calendar.c
HOST_SOURCES_test_lend := kernel/sched/lend.c kernel/lib/leftist.c
HOST_SOURCES_test_budget := kernel/sched/budget.c

# The model of waiting: Spin finds nothing wrong with it, and something with each variant that has a mistake.
WAIT_MODEL := tests/model/wait.pml
WAIT_MISTAKES := 1 2 3 4 5

$(HOST)/model_wait_%: $(WAIT_MODEL)
	@mkdir -p $@.build
	@cd $@.build && spin -a -DBROKEN=$* $(CURDIR)/$<
	@$(CC) -O2 -w -DSAFETY -DCOLLAPSE -o $@ $@.build/pan.c

wait-model: $(HOST)/model_wait_0 $(WAIT_MISTAKES:%=$(HOST)/model_wait_%)
	@cd $(HOST) && ./model_wait_0 -m1000000 | tee model_wait_0.log
	@grep -q 'errors: 0' $(HOST)/model_wait_0.log
	@for n in $(WAIT_MISTAKES); do \
	    (cd $(HOST) && ./model_wait_$$n -m1000000 >model_wait_$$n.log); \
	    grep -q 'errors: 1' $(HOST)/model_wait_$$n.log || { echo "Spin does not find mistake $$n"; exit 1; }; done

.PHONY: wait-model
