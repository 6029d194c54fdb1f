# What runs on the build machine under AddressSanitizer and UBSan: unit tests (cmocka) and fuzz targets
# (libFuzzer). Each tests/host/test_NAME.c becomes build/host/test_NAME, each tests/fuzz/fuzz_NAME.c
# build/host/fuzz_NAME. For either, these variables, with the whole name at the end, say more:
#
#   HOST_SOURCES_test_NAME   the sources that it tests
#   HOST_CFLAGS_test_NAME    further flags for all of its sources
#   HOST_LIBS_test_NAME      further libraries
#
# They stand in the fragments mk/host-PART.mk, those of loader and lib/ in mk/host-loader.mk.
#
# The kept corpus of a fuzz target is tests/fuzz/corpus/NAME; what a run finds on top goes to build/host.

HOST := $(BUILD)/host
FUZZ_SECONDS ?= 5

HOST_CFLAGS := $(CSTD) $(WARNINGS) -O1 -g -I. -I$(GEN) -fno-omit-frame-pointer -MMD -MP
HOST_SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=all

include $(wildcard mk/host-*.mk)

HOST_TESTS := $(patsubst tests/host/%.c,%,$(wildcard tests/host/test_*.c))
HOST_FUZZERS := $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/fuzz_*.c))

# $(1): name, $(2): its own source, $(3): sanitizers, $(4): libraries. Objects are apart for each program, since
# flags may differ.
define HOST_PROGRAM
HOST_OBJECTS_$(1) := $$(patsubst %.c,$(HOST)/$(1).objects/%.o,$(2) $$(HOST_SOURCES_$(1)))

$(HOST)/$(1).objects/%.o: %.c mk/host.mk | $$(SYSCALL_HEADERS)
	@mkdir -p $$(@D)
	@$$(CC) $$(HOST_CFLAGS) $(3) $$(HOST_CFLAGS_$(1)) -c -o $$@ $$<

$(HOST)/$(1): $$(HOST_OBJECTS_$(1))
	@echo '  LD    $$@'
	@$$(CC) $(3) -o $$@ $$^ $(4) $$(HOST_LIBS_$(1))

-include $$(HOST_OBJECTS_$(1):.o=.d)
endef

$(foreach test,$(HOST_TESTS),$(eval $(call HOST_PROGRAM,$(test),tests/host/$(test).c,$(HOST_SANITIZE),-lcmocka)))
$(foreach fuzzer,$(HOST_FUZZERS),\
    $(eval $(call HOST_PROGRAM,$(fuzzer),tests/fuzz/$(fuzzer).c,-fsanitize=fuzzer $(HOST_SANITIZE),)))

# Every test runs, also behind one that fails; two at once, each with what it says in one piece.
host-tests: $(HOST_TESTS:%=$(HOST)/%)
	@printf '%s\n' $^ | xargs -P 2 -I{} sh -c \
	    'status=0; {} >{}.said 2>&1 || status=1; flock $(HOST)/.said cat {}.said; exit $$status'

fuzz-smoke: $(HOST_FUZZERS:%=fuzz-smoke-%)

# One line each; the fuzzer's own talk is kept in a file beside it, and shown when it finds something.
fuzz-smoke-%: $(HOST)/%
	@mkdir -p $(HOST)/corpus/$*
	@$< -max_total_time=$(FUZZ_SECONDS) -timeout=10 -max_len=65536 -artifact_prefix=$(HOST)/$*- \
	    $(HOST)/corpus/$* tests/fuzz/corpus/$(*:fuzz_%=%) >$(HOST)/$*.log 2>&1 \
	    && echo "ok $*" || { cat $(HOST)/$*.log; echo "FAIL $*: see $(HOST)/$*.log"; exit 1; }

.PHONY: host-tests fuzz-smoke
