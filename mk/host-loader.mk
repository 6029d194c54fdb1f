# What the host tests and fuzz targets of the loader and of lib/ are built from (beside their own file).

HOST_SOURCES_test_acpi := boot/acpi.c
HOST_SOURCES_test_bundle := lib/bundle.c lib/text.c tests/host/make_archive.c
HOST_SOURCES_test_clock := boot/clock.c
HOST_SOURCES_test_elf64 := lib/elf64.c lib/text.c tests/host/make_elf.c
HOST_SOURCES_test_environment := lib/environment.c lib/text.c
HOST_SOURCES_test_gunzip := lib/gunzip.c lib/text.c
HOST_LIBS_test_gunzip := -lz
HOST_SOURCES_test_layout := boot/layout.c lib/elf64.c lib/text.c tests/host/make_elf.c
HOST_SOURCES_test_loader_map := boot/memory_map.c lib/text.c
HOST_SOURCES_test_paging := boot/paging.c
HOST_SOURCES_test_settings := boot/settings.c lib/environment.c lib/text.c
HOST_SOURCES_test_text := lib/text.c

HOST_SOURCES_fuzz_bundle := lib/bundle.c lib/text.c
HOST_SOURCES_fuzz_elf64 := lib/elf64.c lib/text.c
HOST_SOURCES_fuzz_environment := boot/settings.c lib/environment.c lib/text.c
HOST_SOURCES_fuzz_gunzip := lib/gunzip.c lib/text.c
HOST_LIBS_fuzz_gunzip := -lz
HOST_SOURCES_fuzz_layout := boot/layout.c lib/elf64.c lib/text.c
