/* hello [ARGS]: greets, and shows what it was given. */
#include "user/libq/print.h"

int main(int argc, char **argv)
{
    print("Hello from a program in user mode.\n");
    for (int i = 1; i < argc; i++) {
        print("argument %d: %s\n", i, argv[i]);
    }
    return 0;
}
