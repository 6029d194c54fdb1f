/*
 * Bytes that people type, from the serial port and the keyboard alike, kept until the console is read.
 */
#ifndef QUIRE_KERNEL_INPUT_H
#define QUIRE_KERNEL_INPUT_H

#include <stdbool.h>
#include <stdint.h>

#include "kernel/ipc/notification.h"

/* From interrupt handlers. A byte for which there is no room is dropped; the console's user is slower than
 * fingers. */
void input_byte(uint8_t byte);

/*
 * Look at up to `bytes` waiting bytes; returns how many, and where in the stream they begin. They stay until
 * they are taken; so a reader that fails to deliver them loses none.
 */
uint64_t input_peek(uint8_t *buffer, uint64_t bytes, uint32_t *position);

/*
 * Are the bytes that input_peek showed still there? Then the input is locked, until input_take_commit takes
 * them. False when another reader has taken some meanwhile.
 */
bool input_take_prepare(uint32_t position);
void input_take_commit(uint64_t bytes);

/* Set bits in the notification whenever bytes arrive, now if some wait. Takes a reference. */
void input_watch(struct notification *notification, uint64_t bits);

#endif
