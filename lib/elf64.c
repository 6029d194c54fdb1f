/* All fields are read by memcpy, since the file may lie at any address. */
#include "lib/elf64.h"

#include <stdbool.h>

#include "abi/handle.h"
#include "lib/text.h"

#define CLASS_64        2
#define LITTLE_ENDIAN_1 1
#define VERSION         1
#define MACHINE_AMD64   62
#define SECTION_SYMTAB  2
#define SECTION_STRTAB  3
#define SECTION_UNDEF   0
#define FLAG_EXECUTE    1u
#define FLAG_WRITE      2u
#define FLAG_READ       4u

struct file_header {
    uint8_t magic[4];
    uint8_t class;
    uint8_t byte_order;
    uint8_t ident_version;
    uint8_t ident_rest[9];
    uint16_t type;
    uint16_t machine;
    uint32_t version;
    uint64_t entry;
    uint64_t segment_table;
    uint64_t section_table;
    uint32_t flags;
    uint16_t header_bytes;
    uint16_t segment_bytes;
    uint16_t segments;
    uint16_t section_bytes;
    uint16_t sections;
    uint16_t section_names;
};

struct segment_header {
    uint32_t type;
    uint32_t flags;
    uint64_t offset;
    uint64_t address;
    uint64_t physical;
    uint64_t file_bytes;
    uint64_t memory_bytes;
    uint64_t alignment;
};

struct section_header {
    uint32_t name;
    uint32_t type;
    uint64_t flags;
    uint64_t address;
    uint64_t offset;
    uint64_t bytes;
    uint32_t link;
    uint32_t info;
    uint64_t alignment;
    uint64_t entry_bytes;
};

struct symbol {
    uint32_t name;
    uint8_t info;
    uint8_t other;
    uint16_t section;
    uint64_t value;
    uint64_t bytes;
};

_Static_assert(sizeof(struct file_header) == 64, "the ELF64 file header");
_Static_assert(sizeof(struct segment_header) == 56, "the ELF64 program header");
_Static_assert(sizeof(struct section_header) == 64, "the ELF64 section header");
_Static_assert(sizeof(struct symbol) == 24, "the ELF64 symbol");

static bool in_file(const struct elf64 *elf, uint64_t offset, uint64_t bytes)
{
    return offset <= elf->size && bytes <= elf->size - offset;
}

static enum error check_header(const struct file_header *header)
{
    if (header->class != CLASS_64 || header->byte_order != LITTLE_ENDIAN_1 ||
        header->machine != MACHINE_AMD64 || (header->type != ELF64_EXEC && header->type != ELF64_DYN)) {
        return ERR_UNSUPPORTED;
    }
    if (header->ident_version != VERSION || header->version != VERSION ||
        (header->segments > 0 && header->segment_bytes != sizeof(struct segment_header))) {
        return ERR_BAD_FORMAT;
    }
    return ERR_NONE;
}

enum error elf64_open(struct elf64 *elf, const void *data, size_t size)
{
    struct file_header header;
    if (size < sizeof(header.magic) || memcmp(data, "\177ELF", sizeof(header.magic)) != 0) {
        return ERR_BAD_FORMAT;
    }
    if (size < sizeof(header)) {
        return ERR_TRUNCATED;
    }
    memcpy(&header, data, sizeof(header));
    enum error error = check_header(&header);
    if (error != ERR_NONE) {
        return error;
    }
    *elf = (struct elf64){
        .data = data,
        .size = size,
        .entry = header.entry,
        .type = header.type,
        .segments = header.segments,
        .segment_table = header.segment_table,
        .section_table = header.section_table,
        .sections = header.sections,
        .section_bytes = header.section_bytes,
    };
    uint64_t table_bytes = (uint64_t)header.segments * sizeof(struct segment_header);
    return in_file(elf, header.segment_table, table_bytes) ? ERR_NONE : ERR_TRUNCATED;
}

static uint32_t access_of(uint32_t flags)
{
    return ((flags & FLAG_READ) != 0 ? ACCESS_READ : 0) | ((flags & FLAG_WRITE) != 0 ? ACCESS_WRITE : 0) |
           ((flags & FLAG_EXECUTE) != 0 ? ACCESS_EXECUTE : 0);
}

enum error elf64_segment(const struct elf64 *elf, unsigned index, struct elf64_segment *segment)
{
    struct segment_header header;
    if (index >= elf->segments) {
        return ERR_NOT_FOUND;
    }
    memcpy(&header, elf->data + elf->segment_table + index * sizeof(header), sizeof(header));
    if (!in_file(elf, header.offset, header.file_bytes)) {
        return ERR_TRUNCATED;
    }
    if (header.address + header.memory_bytes < header.address ||
        (header.type == ELF64_LOAD && header.file_bytes > header.memory_bytes)) {
        return ERR_BAD_FORMAT;
    }
    *segment = (struct elf64_segment){
        .address = header.address,
        .memory_bytes = header.memory_bytes,
        .data = elf->data + header.offset,
        .file_bytes = header.file_bytes,
        .access = access_of(header.flags),
        .type = header.type,
    };
    return ERR_NONE;
}

static enum error section_get(const struct elf64 *elf, uint32_t index, struct section_header *section)
{
    if (index >= elf->sections || elf->section_bytes != sizeof(*section)) {
        return ERR_BAD_FORMAT;
    }
    uint64_t offset = (uint64_t)index * sizeof(*section);
    if (!in_file(elf, elf->section_table, offset + sizeof(*section))) {
        return ERR_TRUNCATED;
    }
    memcpy(section, elf->data + elf->section_table + offset, sizeof(*section));
    return ERR_NONE;
}

/* The first symbol table and its strings. */
static enum error symbol_tables(const struct elf64 *elf, struct section_header *symbols,
                                struct section_header *strings)
{
    enum error error = ERR_NONE;
    symbols->type = 0;
    for (uint32_t i = 0; i < elf->sections && symbols->type != SECTION_SYMTAB; i++) {
        error = section_get(elf, i, symbols);
        if (error != ERR_NONE) {
            return error;
        }
    }
    if (symbols->type != SECTION_SYMTAB) {
        return ERR_NOT_FOUND;
    }
    error = section_get(elf, symbols->link, strings);
    if (error != ERR_NONE) {
        return error;
    }
    if (strings->type != SECTION_STRTAB || symbols->entry_bytes != sizeof(struct symbol)) {
        return ERR_BAD_FORMAT;
    }
    bool inside =
        in_file(elf, symbols->offset, symbols->bytes) && in_file(elf, strings->offset, strings->bytes);
    return inside ? ERR_NONE : ERR_TRUNCATED;
}

enum error elf64_symbol(const struct elf64 *elf, const char *name, uint64_t *value)
{
    struct section_header symbols, strings;
    enum error error = symbol_tables(elf, &symbols, &strings);
    if (error != ERR_NONE) {
        return error;
    }
    size_t name_bytes = strlen(name) + 1;
    error = ERR_NOT_FOUND;
    for (uint64_t i = 0; i < symbols.bytes / sizeof(struct symbol); i++) {
        struct symbol symbol;
        memcpy(&symbol, elf->data + symbols.offset + i * sizeof(symbol), sizeof(symbol));
        if (symbol.section != SECTION_UNDEF && symbol.name <= strings.bytes &&
            strings.bytes - symbol.name >= name_bytes &&
            memcmp(elf->data + strings.offset + symbol.name, name, name_bytes) == 0) {
            *value = symbol.value;
            error = ERR_NONE;
        }
    }
    return error;
}
