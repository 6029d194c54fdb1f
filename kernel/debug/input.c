/*
 * Typed bytes; see input.h.
 */
#include "kernel/debug/input.h"

#include "kernel/sched/spinlock.h"

#define ROOM 1024u

static struct spinlock input_lock = SPINLOCK("console input", LOCK_CONSOLE_INPUT);

/* Guarded by input_lock. */
static uint8_t waiting[ROOM];
static uint32_t head, tail; /* head - tail bytes wait */
static struct notification *watcher;
static uint64_t watcher_bits;

/* The watcher, with a reference for the caller, or NULL. Input is locked. */
static struct notification *watcher_get(uint64_t *bits)
{
    if (watcher != NULL) {
        notification_retain(watcher);
        *bits = watcher_bits;
    }
    return watcher;
}

static void tell(struct notification *notification, uint64_t bits)
{
    if (notification != NULL) {
        notification_signal(notification, bits);
        notification_release(notification);
    }
}

void input_byte(uint8_t byte)
{
    uint64_t bits;
    spin_lock(&input_lock);
    if (head - tail < ROOM) {
        waiting[head++ % ROOM] = byte;
    }
    struct notification *notification = watcher_get(&bits);
    spin_unlock(&input_lock);
    tell(notification, bits);
}

uint64_t input_peek(uint8_t *buffer, uint64_t bytes, uint32_t *position)
{
    uint64_t count = 0;
    spin_lock(&input_lock);
    *position = tail;
    while (count < bytes && tail + (uint32_t)count != head) {
        buffer[count] = waiting[(tail + count) % ROOM];
        count++;
    }
    spin_unlock(&input_lock);
    return count;
}

bool input_take_prepare(uint32_t position)
{
    spin_lock(&input_lock);
    bool untouched = tail == position;
    if (!untouched) {
        spin_unlock(&input_lock);
    }
    return untouched;
}

void input_take_commit(uint64_t bytes)
{
    tail += (uint32_t)bytes;
    spin_unlock(&input_lock);
}

void input_watch(struct notification *notification, uint64_t bits)
{
    uint64_t now_bits = 0;
    notification_retain(notification);
    spin_lock(&input_lock);
    struct notification *old = watcher;
    watcher = notification;
    watcher_bits = bits;
    struct notification *now = head != tail ? watcher_get(&now_bits) : NULL;
    spin_unlock(&input_lock);
    if (old != NULL) {
        notification_release(old);
    }
    tell(now, now_bits);
}
