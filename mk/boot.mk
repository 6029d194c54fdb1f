# The loader: build/boot/BOOTX64.EFI, a UEFI application. zlib comes as Debian builds it for this object format.

EFI_LD := lld-link
EFI_TARGET := -target x86_64-unknown-windows-gnu
EFI_ZLIB := /usr/x86_64-w64-mingw32
EFI_CFLAGS := $(EFI_TARGET) $(CSTD) $(WARNINGS) -O2 -I. -ffreestanding -mno-red-zone \
              -mno-stack-arg-probe -fno-stack-protector -isystem /usr/include/efi \
              -isystem /usr/include/efi/x86_64 -DGNU_EFI_USE_MS_ABI -isystem $(EFI_ZLIB)/include -MMD -MP
EFI_LDFLAGS := /subsystem:efi_application /entry:efi_main /nodefaultlib /debug:none

LOADER_LIB := lib/bundle.c lib/elf64.c lib/environment.c lib/error_text.c lib/gunzip.c lib/memory.c lib/text.c
LOADER_SOURCES := $(filter-out boot/policy.c,$(wildcard boot/*.c)) $(LOADER_LIB)
LOADER_OBJECTS := $(LOADER_SOURCES:%.c=$(BUILD)/boot/%.o) $(BUILD)/boot/boot/start.o

$(BUILD)/boot/%.o: %.c mk/boot.mk
	@mkdir -p $(@D)
	@echo '  CC    $<'
	@$(CC) $(EFI_CFLAGS) -c -o $@ $<

$(BUILD)/boot/%.o: %.S mk/boot.mk
	@mkdir -p $(@D)
	@echo '  CC    $<'
	@$(CC) $(EFI_TARGET) -I. -MMD -MP -c -o $@ $<

$(BUILD)/boot/BOOTX64.EFI: $(LOADER_OBJECTS) $(BUILD)/boot/boot/policy.o
	@echo '  LD    $@'
	@$(EFI_LD) $(EFI_LDFLAGS) /out:$@ $^ $(EFI_ZLIB)/lib/libz.a

-include $(shell find $(BUILD)/boot -name '*.d' 2>/dev/null)

# The loader for tests: the same sources under another policy, which the environment chooses.
$(BUILD)/tests/boot/ROUGH.EFI: $(LOADER_OBJECTS) $(BUILD)/boot/tests/boot/rough/policy.o
	@mkdir -p $(@D)
	@echo '  LD    $@'
	@$(EFI_LD) $(EFI_LDFLAGS) /out:$@ $^ $(EFI_ZLIB)/lib/libz.a

# A kernel that is not Quire's, to see that the loader keeps to the protocol.
FOREIGN_CFLAGS := $(CSTD) $(WARNINGS) -O2 -I. -ffreestanding -fno-pic -mcmodel=large -mno-red-zone \
                  -mgeneral-regs-only -fno-stack-protector -fno-asynchronous-unwind-tables -MMD -MP
FOREIGN_SOURCES := tests/boot/foreign/foreign.c lib/bundle.c lib/environment.c lib/memory.c lib/text.c
FOREIGN_OBJECTS := $(FOREIGN_SOURCES:%.c=$(BUILD)/tests/boot/%.o) $(BUILD)/tests/boot/tests/boot/foreign/entry.o

$(BUILD)/tests/boot/%.o: %.c mk/boot.mk
	@mkdir -p $(@D)
	@echo '  CC    $<'
	@$(CC) $(FOREIGN_CFLAGS) -c -o $@ $<

$(BUILD)/tests/boot/%.o: %.S mk/boot.mk
	@mkdir -p $(@D)
	@echo '  CC    $<'
	@$(CC) -I. -MMD -MP -c -o $@ $<

$(BUILD)/tests/boot/foreign.elf: tests/boot/foreign/link.ld $(FOREIGN_OBJECTS)
	@echo '  LD    $@'
	@$(LD) -nostdlib -static -T $< -o $@ $(FOREIGN_OBJECTS)

$(BUILD)/tests/boot/foreign1.elf: tests/boot/foreign/level1.ld $(FOREIGN_OBJECTS)
	@echo '  LD    $@'
	@$(LD) -nostdlib -static -T $< -o $@ $(FOREIGN_OBJECTS)

# What tests/boot/run.py boots; with the image, whose rule is in mk/image.mk.
boot-test-parts: $(BUILD)/boot/BOOTX64.EFI $(BUILD)/tests/boot/ROUGH.EFI $(BUILD)/tests/boot/foreign.elf \
                 $(BUILD)/tests/boot/foreign1.elf $(BUILD)/quire.img

boot-tests:
	@$(PYTHON) tests/boot/run.py

.PHONY: boot-test-parts boot-tests

-include $(shell find $(BUILD)/tests/boot -name '*.d' 2>/dev/null)
