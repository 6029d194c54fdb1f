/*
 * A read-only view of an ELF64 executable for amd64 that lies in memory, aligned or not. The file is foreign
 * input: every offset and size is checked before it is followed. Segments and the symbol table are looked at
 * only when asked for, so an executable without sections opens fine.
 *
 * Nothing here allocates, locks or writes; what is handed out points into the file and lives as long as it.
 * ELF: System V ABI, chapters 4 and 5, and its AMD64 supplement.
 */
#ifndef QUIRE_LIB_ELF64_H
#define QUIRE_LIB_ELF64_H

#include <stddef.h>
#include <stdint.h>

#include "abi/error.h"

#define ELF64_EXEC 2 /* type: runs where it is linked */
#define ELF64_DYN  3 /* type: position independent */

#define ELF64_LOAD      1 /* segment types */
#define ELF64_DYNAMIC   2
#define ELF64_INTERP    3
#define ELF64_TLS       7
#define ELF64_GNU_STACK 0x6474e551u
#define ELF64_GNU_RELRO 0x6474e552u

struct elf64 {
    const uint8_t *data;
    size_t size;
    uint64_t entry;
    uint32_t type; /* ELF64_EXEC or ELF64_DYN */
    uint32_t segments;
    uint64_t segment_table; /* file offsets */
    uint64_t section_table;
    uint32_t sections;
    uint32_t section_bytes; /* size of one entry in the file */
};

struct elf64_segment {
    uint64_t address; /* virtual, as linked */
    uint64_t memory_bytes;
    const uint8_t *data;
    uint64_t file_bytes; /* at most memory_bytes in a loadable segment; the rest is zero */
    uint32_t access;     /* ACCESS_READ | ACCESS_WRITE | ACCESS_EXECUTE */
    uint32_t type;
};

/*
 * Check that this is a little-endian ELF64 executable or shared object for amd64 whose program header table
 * lies in the data. ERR_BAD_FORMAT when it is not ELF at all or malformed, ERR_UNSUPPORTED for an ELF file of
 * another class, byte order, machine or type, ERR_TRUNCATED when the data ends before a table.
 */
MUST_CHECK enum error elf64_open(struct elf64 *elf, const void *data, size_t size);

/*
 * Segment number `index`: its bytes lie in the file, and its addresses do not wrap. ERR_NOT_FOUND when index
 * is not below elf->segments, ERR_TRUNCATED when the file ends too early, ERR_BAD_FORMAT for other damage.
 */
MUST_CHECK enum error elf64_segment(const struct elf64 *elf, unsigned index, struct elf64_segment *segment);

/*
 * The value of a defined symbol from .symtab; of several the last. ERR_NOT_FOUND when there is none or no
 * symbol table; ERR_TRUNCATED or ERR_BAD_FORMAT when the tables are damaged.
 */
MUST_CHECK enum error elf64_symbol(const struct elf64 *elf, const char *name, uint64_t *value);

#endif
