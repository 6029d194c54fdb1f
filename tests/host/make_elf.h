/* An ELF64 executable for tests: segments, and a symbol table of the names given. */
#ifndef QUIRE_TESTS_MAKE_ELF_H
#define QUIRE_TESTS_MAKE_ELF_H

#include <elf.h>
#include <stddef.h>
#include <stdint.h>

#define MADE_SEGMENTS 20
#define MADE_SYMBOLS  16

struct made_elf {
    Elf64_Ehdr header;
    Elf64_Phdr segments[MADE_SEGMENTS];
    Elf64_Shdr sections[3]; /* null, .symtab, .strtab */
    Elf64_Sym symbols[MADE_SYMBOLS];
    char strings[256];
    uint8_t content[4096];
};

/* Begin with no segments and no symbols. */
void made_elf_begin(struct made_elf *elf, uint64_t entry);
/* A loadable segment whose file part is the first `file_bytes` of content. */
void made_elf_segment(struct made_elf *elf, uint64_t address, uint64_t file_bytes, uint64_t memory_bytes,
                      uint32_t flags);
void made_elf_symbol(struct made_elf *elf, const char *name, uint64_t value);

#endif
