# User space: build/user/root and build/user/bin/NAME, stripped for the bundle, each with a .elf that has the
# symbols. Every folder of user/bin is a program.

USER := $(BUILD)/user
USER_PROGRAMS := $(sort $(notdir $(patsubst %/,%,$(wildcard user/bin/*/))))
USER_BINARIES := $(USER)/root $(USER_PROGRAMS:%=$(USER)/bin/%)

USER_CFLAGS := $(CSTD) $(WARNINGS) --target=x86_64-unknown-none-elf -ffreestanding -fno-stack-protector \
               -fno-pic -O2 -g -ffunction-sections -fdata-sections -I. -I$(GEN) -MMD -MP
USER_LDFLAGS := -static --no-pie --no-dynamic-linker --image-base=0x400000 -z separate-code -z norelro \
                -z noexecstack -z max-page-size=4096 --gc-sections --build-id=none

# What every program may use; the linker takes what it needs out of the archive.
USER_LIB_SOURCES := $(wildcard user/libq/*.c user/libq/*.S) $(addprefix lib/,text.c memory.c bundle.c elf64.c)
USER_LIB := $(USER)/libq.a

user_objects = $(addprefix $(USER)/obj/,$(addsuffix .o,$(basename $(1))))

$(USER)/obj/%.o: %.c mk/user.mk | $(GEN)/.syscalls
	@mkdir -p $(@D)
	@echo '  CC    $<'
	@$(CC) $(USER_CFLAGS) -c $< -o $@

$(USER)/obj/%.o: %.S mk/user.mk | $(GEN)/.syscalls
	@mkdir -p $(@D)
	@echo '  CC    $<'
	@$(CC) $(USER_CFLAGS) -c $< -o $@

$(USER_LIB): $(call user_objects,$(USER_LIB_SOURCES))
	@rm -f $@
	@llvm-ar rcs $@ $^

# Sources of a program that lie outside its folder.
USER_SOURCES_bin/bench := $(wildcard bench/guest/*.c)

# $(1): the program below build/user; $(2): the folder of its sources.
define user_program
$(USER)/$(1).elf: $(call user_objects,$(wildcard $(2)/*.c $(2)/*.S) $(USER_SOURCES_$(1))) $(USER_LIB)
	@mkdir -p $$(@D)
	@echo '  LD    $$@'
	@$(LD) $(USER_LDFLAGS) -o $$@ $$^
endef
$(eval $(call user_program,root,user/root))
$(foreach program,$(USER_PROGRAMS),$(eval $(call user_program,bin/$(program),user/bin/$(program))))

$(USER_BINARIES): %: %.elf
	@$(OBJCOPY) --strip-all $< $@

.PHONY: user
user: $(USER_BINARIES)

-include $(shell find $(USER)/obj -name '*.d' 2>/dev/null)

include mk/host-user.mk
