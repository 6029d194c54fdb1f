# What the host tests of the scheduler are built from (beside tests/host/NAME.c).

HOST_SOURCES_test_leftist := kernel/lib/leftist.c
HOST_SOURCES_test_run_queue := kernel/sched/run_queue.c
HOST_SOURCES_test_time := kernel/arch/x86_64/rtc_decode.c kernel/arch/x86_64/tsc_judge.c lib/calendar.c
HOST_SOURCES_test_lend := kernel/sched/lend.c kernel/lib/leftist.c
HOST_SOURCES_test_budget := kernel/sched/budget.c
