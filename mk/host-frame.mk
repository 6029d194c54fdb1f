# What the host tests of the page-frame allocator are built from (beside tests/host/NAME.c).

HOST_SOURCES_test_memory_map := kernel/mm/memory_map.c
HOST_CFLAGS_test_frame := -Itests/host
HOST_SOURCES_test_frame := tests/host/frame_model.c tests/host/frame_host.c $(KERNEL_MM_FRAME_SOURCES)
