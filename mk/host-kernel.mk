# What the host tests of the kernel are built from (beside tests/host/NAME.c).

HOST_SOURCES_test_acpi_tables := kernel/arch/x86_64/acpi_tables.c lib/text.c
HOST_SOURCES_test_boot_ram := kernel/init/boot_ram.c kernel/mm/memory_map.c
HOST_CFLAGS_test_boot_ram := -iquote kernel/arch/host
HOST_SOURCES_test_keymap := kernel/arch/x86_64/keymap.c
HOST_SOURCES_test_terminal := kernel/debug/terminal.c

HOST_SOURCES_fuzz_acpi_tables := kernel/arch/x86_64/acpi_tables.c lib/text.c
