# The disk image, build/quire.img, and starting it.

IMAGE := $(BUILD)/quire.img
TEST_IMAGE := $(BUILD)/test.img
LOADER := $(BUILD)/boot/BOOTX64.EFI
BUNDLE_FILES := etc/motd=tools/image/motd
IMAGE_TOOLS := tools/make-image.py tools/diskimage.py

# $(call make-image,OUT,CONFIG,KERNEL)
define make-image
$(PYTHON) tools/make-image.py $(1) --loader $(LOADER) --config $(2) --kernel $(3) --root $(BUILD)/user/root \
	$(foreach name,$(USER_PROGRAMS),--program $(name)=$(BUILD)/user/bin/$(name)) \
	$(foreach file,$(BUNDLE_FILES),--file $(file))
endef

# Changes when the list of members does, which the dates of the members that stay do not show.
IMAGE_LIST := $(BUILD)/image.list
$(IMAGE_LIST): always
	@mkdir -p $(@D)
	@echo '$(USER_PROGRAMS) $(BUNDLE_FILES)' | cmp -s - $@ || echo '$(USER_PROGRAMS) $(BUNDLE_FILES)' > $@
always:

IMAGE_PARTS := $(IMAGE_LIST) $(LOADER) $(USER_BINARIES) $(IMAGE_TOOLS) \
               $(foreach file,$(BUNDLE_FILES),$(lastword $(subst =, ,$(file))))

$(IMAGE): $(BUILD)/kernel/core tools/image/CONFIG $(IMAGE_PARTS)
	$(call make-image,$@,tools/image/CONFIG,$<)

# The same with the in-kernel suite linked in.
$(TEST_IMAGE): $(BUILD)/kernel/core-test tools/image/CONFIG $(IMAGE_PARTS)
	$(call make-image,$@,tools/image/CONFIG,$<)

# The same again, with the checks for undefined behaviour.
CHECKED_IMAGE := $(BUILD)/checked.img
$(CHECKED_IMAGE): $(BUILD)/kernel/core-checked tools/image/CONFIG $(IMAGE_PARTS)
	$(call make-image,$@,tools/image/CONFIG,$<)

image: $(IMAGE)

QEMU_OPTIONS = --image $(IMAGE) --cpus $(CPUS) --memory $(MEM) --append "$$APPEND" $(if $(GUI),--gui)

run: $(IMAGE)
	@$(PYTHON) tools/qemu.py run $(QEMU_OPTIONS)

debug: $(IMAGE) $(BUILD)/kernel/core.elf
	@$(PYTHON) tools/qemu.py debug $(QEMU_OPTIONS) --symbols $(BUILD)/kernel/core.elf

# A picture of who has which memory, at work and at rest.
memmap: $(IMAGE)
	@$(PYTHON) tools/memmap.py $(IMAGE) $(BUILD)/memmap.svg

.PHONY: image run debug memmap always
