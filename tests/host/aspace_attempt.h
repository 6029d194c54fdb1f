/* How operations are tried that may fail: between the files of aspace_operations.h. */
#ifndef QUIRE_TESTS_HOST_ASPACE_ATTEMPT_H
#define QUIRE_TESTS_HOST_ASPACE_ATTEMPT_H

#include "tests/host/aspace_operations.h"

void attempt_first(void);
/* Did an allocation fail, and the operation with it? Then again. */
bool attempt_again(enum error error);

/* Do it, again after each failure that was made. */
#define ATTEMPT(error, operation)                                                                            \
    do {                                                                                                     \
        attempt_first();                                                                                     \
        do {                                                                                                 \
            (error) = (operation);                                                                           \
        } while (attempt_again(error));                                                                      \
    } while (0)

/* The operation came to nothing for want of memory, and all is as before. */
bool came_to_nothing(enum error error);

/* While this is set the kernel is ahead of the model, so they are not compared after a failure. */
extern bool half_done;

/*
 * What is being changed, so that nobody can say what others see of it meanwhile: a space, or the contents of
 * an object; or what is written meanwhile may or may not count. All else is as the model says, also in the
 * midst of an operation. Set by the operations, reset by operations_over.
 */
extern struct changing {
    const struct model_space *space;
    unsigned object;
    bool reads_only;
} changing;

/* The last number that was written to a page. */
extern uint32_t last_value;

/* Pagers that were made, and told that their object has gone. */
extern unsigned pagers_made, pagers_released;

/* One or the other. */
struct account *operations_account(void);

#endif
