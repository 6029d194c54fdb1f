# The kernel: build/kernel/core.elf with all symbols, core as the loader gets it, core-test with the kernel's own
# tests and measures linked in.

KERNEL_DIR := $(BUILD)/kernel

KERNEL_SOURCES := $(wildcard kernel/arch/x86_64/*.c kernel/debug/*.c kernel/init/*.c kernel/ipc/*.c kernel/lib/*.c \
                    kernel/mm/*.c kernel/obj/*.c kernel/sched/*.c kernel/sys/*.c) \
                  lib/bundle.c lib/calendar.c lib/elf64.c lib/environment.c lib/memory.c lib/text.c
KERNEL_ASSEMBLY := $(wildcard kernel/arch/x86_64/*.S)
KERNEL_TEST_SOURCES := $(wildcard tests/guest/kernel/*.c bench/guest/*.c)

KERNEL_FLAGS := --target=x86_64-unknown-none-elf $(CSTD) $(WARNINGS) -O2 -g -ffreestanding -fno-pic -mcmodel=kernel \
                -mno-red-zone -mgeneral-regs-only -fno-stack-protector -fno-omit-frame-pointer \
                -fno-asynchronous-unwind-tables -ffunction-sections -fdata-sections -I. -Ikernel/arch/x86_64 -I$(GEN)
# What runs once, or seldom, or at the pace of a human: small rather than fast.
KERNEL_SMALL := $(wildcard kernel/init/*.c) \
                $(filter-out %/trace.c %/trace_frames.c %/inject.c,$(wildcard kernel/debug/*.c)) \
                $(patsubst %,kernel/arch/x86_64/%.c,acpi acpi_tables cores cpu features ioapic keyboard keymap \
                  machine machine_check panic_arch power rtc rtc_decode start tsc_judge tsc_sync watchdog) \
                $(patsubst %,kernel/mm/%.c,device frame_count frame_init frame_report layout memory_map node \
                  slab_audit slab_debug slab_report) \
                kernel/sched/lock_debug.c kernel/sys/sys_system.c kernel/sys/topics.c
KERNEL_LDFLAGS := -T kernel/linker.ld --gc-sections --wrap=frame_alloc --wrap=frame_alloc_for \
                  --wrap=frame_alloc_user_block --wrap=frame_free -z max-page-size=4096 --no-dynamic-linker -static

# The checked kernel: all of it, and its tests, with the compiler's checks for undefined behaviour and the assertions
# of hot paths. Alignment is left to the CPU: ACPI tables and ELF files are read where they lie. Small, since checks
# make it large and it has 1.7 MiB; so the compiler is told, too, that what the checks call does not return.
CHECKED_DIR := $(BUILD)/kernel-checked
CHECKED_FLAGS := $(KERNEL_FLAGS) -Oz -fsanitize=undefined -fno-sanitize=function -fno-sanitize-recover=undefined \
                 -DQUIRE_CHECKED
CHECKED_SOURCES := $(wildcard tests/guest/sanitizer/*.c)

KERNEL_OBJECTS := $(KERNEL_SOURCES:%.c=$(KERNEL_DIR)/%.o) $(KERNEL_ASSEMBLY:%.S=$(KERNEL_DIR)/%.o) \
                  $(KERNEL_DIR)/font.o
KERNEL_TEST_OBJECTS := $(KERNEL_TEST_SOURCES:%.c=$(KERNEL_DIR)/%.o)

# The protocol's symbols, which a level 2 loader looks up.
PROTOCOL_SYMBOLS := bootboot environment fb mmio initstack

$(KERNEL_SMALL:%.c=$(KERNEL_DIR)/%.o): KERNEL_SIZE := -Os

$(KERNEL_OBJECTS) $(KERNEL_TEST_OBJECTS): | $(GEN)/.syscalls $(FONT_HEADER)

$(KERNEL_DIR)/%.o: %.c mk/kernel.mk
	@mkdir -p $(@D)
	@echo '  CC    $<'
	@$(CC) $(KERNEL_FLAGS) $(KERNEL_SIZE) -MMD -MP -c $< -o $@

$(KERNEL_DIR)/%.o: %.S mk/kernel.mk
	@mkdir -p $(@D)
	@echo '  CC    $<'
	@$(CC) $(KERNEL_FLAGS) -MMD -MP -c $< -o $@

$(KERNEL_DIR)/font.o: $(FONT_SOURCE)
	@mkdir -p $(@D)
	@$(CC) $(KERNEL_FLAGS) -c $< -o $@

# Two links: the first has an empty table of symbols, from which the names for the second are taken. The table lies
# behind all code, so no function moves.
$(KERNEL_DIR)/no-symbols.o: tools/make-symbols.py
	@mkdir -p $(@D)
	@$(PYTHON) tools/make-symbols.py $(KERNEL_DIR)/no-symbols.S </dev/null
	@$(CC) $(KERNEL_FLAGS) -c $(KERNEL_DIR)/no-symbols.S -o $@

define KERNEL_LINK
$(KERNEL_DIR)/$(1).elf: $(2) $(KERNEL_DIR)/no-symbols.o kernel/linker.ld tools/make-symbols.py
	@$(LD) $(KERNEL_LDFLAGS) $(2) $(KERNEL_DIR)/no-symbols.o -o $(KERNEL_DIR)/$(1).first
	@llvm-nm -n $(KERNEL_DIR)/$(1).first | $(PYTHON) tools/make-symbols.py $(KERNEL_DIR)/$(1)-symbols.S
	@$(CC) $(KERNEL_FLAGS) -c $(KERNEL_DIR)/$(1)-symbols.S -o $(KERNEL_DIR)/$(1)-symbols.o
	@echo '  LD    $$@'
	@$(LD) $(KERNEL_LDFLAGS) $(2) $(KERNEL_DIR)/$(1)-symbols.o -o $$@

$(KERNEL_DIR)/$(1): $(KERNEL_DIR)/$(1).elf
	@$(OBJCOPY) --strip-all $(PROTOCOL_SYMBOLS:%=--keep-symbol=%) $$< $$@
endef
$(eval $(call KERNEL_LINK,core,$(KERNEL_OBJECTS)))
$(eval $(call KERNEL_LINK,core-test,$(KERNEL_OBJECTS) $(KERNEL_TEST_OBJECTS)))

CHECKED_OBJECTS := $(KERNEL_OBJECTS:$(KERNEL_DIR)/%=$(CHECKED_DIR)/%) \
                   $(KERNEL_TEST_OBJECTS:$(KERNEL_DIR)/%=$(CHECKED_DIR)/%) $(CHECKED_SOURCES:%.c=$(CHECKED_DIR)/%.o)

$(CHECKED_OBJECTS): | $(GEN)/.syscalls $(FONT_HEADER)

$(CHECKED_DIR)/%.o: %.c mk/kernel.mk
	@mkdir -p $(@D)
	@echo '  CC    $< (checked)'
	@$(CC) $(CHECKED_FLAGS) -MMD -MP -c $< -o $@

$(CHECKED_DIR)/%.o: $(KERNEL_DIR)/%.o
	@mkdir -p $(@D)
	@cp $< $@

$(eval $(call KERNEL_LINK,core-checked,$(CHECKED_OBJECTS)))

kernel: $(KERNEL_DIR)/core $(KERNEL_DIR)/core-test
.PHONY: kernel

-include $(KERNEL_OBJECTS:.o=.d) $(KERNEL_TEST_OBJECTS:.o=.d) $(CHECKED_OBJECTS:.o=.d)
