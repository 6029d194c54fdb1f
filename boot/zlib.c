/*
 * zlib's own allocator, for when its caller brings none. lib/gunzip.c always brings one; these stand here so
 * that the linker does not take zlib's, which need a C library.
 */
#include <stddef.h>

void *zcalloc(void *opaque, unsigned items, unsigned size);
void zcfree(void *opaque, void *memory);

void *zcalloc(void *opaque, unsigned items, unsigned size)
{
    (void)opaque;
    (void)items;
    (void)size;
    return NULL;
}

void zcfree(void *opaque, void *memory)
{
    (void)opaque;
    (void)memory;
}
