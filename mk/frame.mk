# The page-frame allocator: what the kernel links of it.

KERNEL_MM_FRAME_SOURCES := kernel/mm/memory_map.c kernel/mm/frame.c
