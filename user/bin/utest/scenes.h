/*
 * For each system call a scene: good arguments, with fresh objects where it needs some, so that the call
 * would succeed. The tests of authority spoil one argument after the other, the driver of failure injection
 * lets each allocation fail, and the call is also simply made. A call of the table without a scene does not
 * link.
 */
#ifndef QUIRE_UTEST_SCENES_H
#define QUIRE_UTEST_SCENES_H

#include <stdbool.h>
#include <stdint.h>

#include "abi/error.h"
#include "syscall_grammar.h"

#define SCENE_WORDS 6
#define SCENE_KEPT  6

struct scene {
    const struct grammar_call *call;
    uint64_t words[SCENE_WORDS];
    uint32_t kept[SCENE_KEPT]; /* handles to close in the end */
    unsigned count;
    uint32_t task;       /* one of them: a task that has or gets a thread; 0 for none */
    bool result_is_ours; /* the result of the call is a handle in our own table */
    bool ends;           /* the call does not return: only to be made in a task of its own */
};

/* Set the scene for a call. False after a test_fail. */
bool scene_set(struct scene *scene, const struct grammar_call *call);

/* Make the call. */
enum error scene_call(const struct scene *scene, uint64_t *result);

/* Give everything back; `result` is that of the call if it succeeded, else 0. */
bool scene_clear(struct scene *scene, uint64_t result);

/* Make a call that ends the caller, in a child task with the number of the call as argument. */
int scene_child(const char *argument);

#endif
