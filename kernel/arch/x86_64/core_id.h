/*
 * For the assembly of cores that start: which one is it? The x2APIC id of leaf 0xb where there is one, else
 * the initial id of leaf 1 (SDM vol. 2A, CPUID). Comes in esi; eax, ebx, ecx and edx are lost, and the labels 1
 * and 2 are taken.
 */
        .macro CORE_ID
        xorl    %eax, %eax
        cpuid
        cmpl    $0xb, %eax
        jb      1f
        movl    $0xb, %eax
        xorl    %ecx, %ecx
        cpuid
        testl   %ebx, %ebx
        jz      1f
        movl    %edx, %esi
        jmp     2f
1:      movl    $1, %eax
        cpuid
        movl    %ebx, %esi
        shrl    $24, %esi
2:
        .endm
