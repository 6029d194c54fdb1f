#include "tests/host/make_elf.h"

#include <string.h>

void made_elf_begin(struct made_elf *elf, uint64_t entry)
{
    memset(elf, 0, sizeof(*elf));
    memcpy(elf->header.e_ident, ELFMAG, SELFMAG);
    elf->header.e_ident[EI_CLASS] = ELFCLASS64;
    elf->header.e_ident[EI_DATA] = ELFDATA2LSB;
    elf->header.e_ident[EI_VERSION] = EV_CURRENT;
    elf->header.e_type = ET_EXEC;
    elf->header.e_machine = EM_X86_64;
    elf->header.e_version = EV_CURRENT;
    elf->header.e_entry = entry;
    elf->header.e_phoff = offsetof(struct made_elf, segments);
    elf->header.e_phentsize = sizeof(Elf64_Phdr);
    elf->header.e_shoff = offsetof(struct made_elf, sections);
    elf->header.e_shentsize = sizeof(Elf64_Shdr);
    elf->header.e_shnum = 3;
    elf->header.e_ehsize = sizeof(Elf64_Ehdr);
    elf->sections[1].sh_type = SHT_SYMTAB;
    elf->sections[1].sh_offset = offsetof(struct made_elf, symbols);
    elf->sections[1].sh_entsize = sizeof(Elf64_Sym);
    elf->sections[1].sh_link = 2;
    elf->sections[2].sh_type = SHT_STRTAB;
    elf->sections[2].sh_offset = offsetof(struct made_elf, strings);
    elf->sections[2].sh_size = 1;
}

void made_elf_segment(struct made_elf *elf, uint64_t address, uint64_t file_bytes, uint64_t memory_bytes,
                      uint32_t flags)
{
    Elf64_Phdr *segment = &elf->segments[elf->header.e_phnum++];
    segment->p_type = PT_LOAD;
    segment->p_flags = flags;
    segment->p_offset = offsetof(struct made_elf, content);
    segment->p_vaddr = address;
    segment->p_filesz = file_bytes;
    segment->p_memsz = memory_bytes;
}

void made_elf_symbol(struct made_elf *elf, const char *name, uint64_t value)
{
    Elf64_Sym *symbol = &elf->symbols[elf->sections[1].sh_size / sizeof(Elf64_Sym)];
    symbol->st_name = (uint32_t)elf->sections[2].sh_size;
    symbol->st_shndx = SHN_ABS;
    symbol->st_value = value;
    memcpy(elf->strings + symbol->st_name, name, strlen(name) + 1);
    elf->sections[1].sh_size += sizeof(Elf64_Sym);
    elf->sections[2].sh_size += strlen(name) + 1;
}
