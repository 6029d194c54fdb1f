# The page-frame allocator: what the kernel links of it.

KERNEL_MM_FRAME_SOURCES := kernel/mm/memory_map.c kernel/mm/frame.c kernel/mm/frame_apart.c kernel/mm/frame_audit.c \
    kernel/mm/frame_blocks.c kernel/mm/frame_cache.c kernel/mm/frame_chunk.c kernel/mm/frame_count.c \
    kernel/mm/frame_free.c kernel/mm/frame_init.c kernel/mm/frame_pool.c kernel/mm/frame_record.c \
    kernel/mm/frame_share.c kernel/mm/frame_short.c kernel/mm/frame_special.c kernel/mm/frame_split.c \
    kernel/mm/frame_stack.c kernel/mm/frame_survey.c
