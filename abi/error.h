/*
 * The one list of errors, for the loader, the kernel and user space. Each value has one meaning everywhere.
 * System calls return one of these in rax; ERR_NONE is success.
 *
 * X(NAME, NUMBER, TEXT): the text is a lower-case clause that reads well after "cannot do this: ".
 */
#ifndef QUIRE_ABI_ERROR_H
#define QUIRE_ABI_ERROR_H

#define QUIRE_ERRORS(X)                                                                                      \
    X(ERR_NONE, 0, "no error")                                                                               \
    X(ERR_NO_CALL, 1, "there is no such system call")                                                        \
    X(ERR_BAD_ARGUMENT, 2, "an argument is outside its range")                                               \
    X(ERR_BAD_ADDRESS, 3, "an address is not mapped, not canonical or not the caller's")                     \
    X(ERR_BAD_HANDLE, 4, "the handle names nothing")                                                         \
    X(ERR_WRONG_TYPE, 5, "the handle names an object of another type")                                       \
    X(ERR_NO_RIGHT, 6, "the handle lacks a right that this needs")                                           \
    X(ERR_NO_MEMORY, 7, "the machine has no memory of that shape left")                                      \
    X(ERR_LIMIT, 8, "a limit set for the caller is reached")                                                 \
    X(ERR_NOT_FOUND, 9, "nothing has that name")                                                             \
    X(ERR_EXISTS, 10, "something is there already")                                                          \
    X(ERR_DEAD, 11, "the object has ended")                                                                  \
    X(ERR_TIMED_OUT, 12, "the deadline passed")                                                              \
    X(ERR_CANCELLED, 13, "the wait was cancelled")                                                           \
    X(ERR_UNSUPPORTED, 14, "this machine or build cannot do that")                                           \
    X(ERR_BAD_FORMAT, 15, "the data is not of the form it claims")                                           \
    X(ERR_TRUNCATED, 16, "the data ends too early")                                                          \
    X(ERR_TOO_LARGE, 17, "the data is larger than its limit")                                                \
    X(ERR_BAD_CHECKSUM, 18, "the data does not match its checksum")                                          \
    X(ERR_BAD_FREE, 19, "what was given back is not held, or not in that shape")                             \
    X(ERR_NOT_READY, 20, "the object is not in the state that this needs")                                   \
    X(ERR_DEVICE, 21, "a device failed")

#ifndef __ASSEMBLER__
#define QUIRE_ERROR_ENUM(name, number, text) name = (number),
enum error { QUIRE_ERRORS(QUIRE_ERROR_ENUM) };
#undef QUIRE_ERROR_ENUM

/* A result that the caller has to look at. */
#define MUST_CHECK __attribute__((warn_unused_result))
#endif

#endif
