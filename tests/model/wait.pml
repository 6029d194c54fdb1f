/*
 * Waiting (kernel/sched/wait.h): two CPUs, one object, one waiter, and everything that can end its wait, all at
 * once: a waker, the deadline, a kill. Says to Spin what the header says to people.
 *
 * The object's lock and the queue's are atomic test-and-set; each access to a shared word is a step of its own
 * unless a lock guards it. The waiter waits ROUNDS times, so that what one wait leaves behind meets the next.
 *
 * Promises, as assertions:
 *   - a wait that answers "woken" was given a token by a waker in this very wait;
 *   - one that answers otherwise was not: a token that was taken off is never lost;
 *   - nobody wakes the thread while it is not waiting (no wake-up comes late);
 *   - and when nothing moves any more, nobody sleeps who was killed, whose deadline is set, or for whom there is a
 *     token.
 *
 * BROKEN selects a mistake that Spin has to find:
 *   1  a wake-up before the sleep is not noted          (lost: the waiter sleeps for ever)
 *   2  the waiter looks after the deadline without lock  (a token is lost)
 *   3  the note of a late waker is not taken away        (the next wait ends for no reason)
 *   4  a kill is looked at before the queue is locked    (a killed thread sleeps for ever)
 *   5  the waker's reason is written over the timer's    (the note of a late waker is kept, as in 3)
 */
#ifndef BROKEN
#define BROKEN 0
#endif
#define ROUNDS 2

mtype = { RUNNING, BLOCKED, READY };
mtype = { NONE, WOKEN, TIMED_OUT, CANCELLED };

bool object_lock, queue_lock;

/* Guarded by the object's lock. */
bool in_list;
byte tokens;      /* things to wait for that were not given to anyone yet */
bool given;       /* it was given to the waiter in this wait */

/* Guarded by the queue's lock. */
mtype state = RUNNING;
bool woken;
mtype reason = NONE;
bool timer_set;

bool killed;
byte tokens_made, tokens_had;
bool waiting;     /* for the assertions: between entering the list and the answer */

inline lock(l)   { atomic { !l -> l = true } }
inline unlock(l) { l = false }

/* Make the thread ready. The queue is locked. */
inline make_ready(why) {
    assert(state == BLOCKED);
    reason = why;
    timer_set = false;
    state = READY
}

/* wait_wake: the object is locked. */
inline wake() {
    in_list = false;
    given = true;
    lock(queue_lock);
    assert(waiting);
    if
    :: state == BLOCKED -> make_ready(WOKEN)
    :: else ->
        if
        :: BROKEN == 1 -> skip
        :: BROKEN == 5 -> woken = true; reason = WOKEN
        :: else -> woken = true
        fi
    fi;
    unlock(queue_lock)
}

proctype waker() {
    byte i;
    for (i : 1 .. ROUNDS) {
        if
        :: break /* it makes as many as it likes */
        :: skip
        fi;
        lock(object_lock);
        tokens_made++;
        if
        :: in_list -> wake()
        :: else -> tokens++
        fi;
        unlock(object_lock);
    }
}

/* The timer's interrupt, on either CPU: whenever the timer is set, it may fire. */
proctype timer() {
end:
    do
    :: timer_set ->
        lock(queue_lock);
        if
        :: timer_set && state == BLOCKED -> make_ready(TIMED_OUT)
        :: else -> skip
        fi;
        unlock(queue_lock)
    od
}

proctype killer() {
    if
    :: skip
    :: killed = true;
        lock(queue_lock);
        if
        :: state == BLOCKED -> make_ready(CANCELLED)
        :: else -> skip
        fi;
        unlock(queue_lock)
    fi
}

/* When nothing moves any more: who still sleeps has no reason not to. */
proctype monitor() {
    timeout ->
    assert(state != BLOCKED || (!killed && tokens == 0 && in_list && !timer_set))
}

/* sleep_here: the answer is in `answer`. */
inline sleep_here(with_deadline, answer) {
    if
    :: BROKEN == 4 && killed -> answer = CANCELLED; goto slept
    :: else -> skip
    fi;
    lock(queue_lock);
    if
    :: woken -> answer = WOKEN; woken = false; unlock(queue_lock)
    :: !woken && BROKEN != 4 && killed -> answer = CANCELLED; unlock(queue_lock)
    :: else ->
        state = BLOCKED;
        timer_set = with_deadline;
        unlock(queue_lock);
end:    state == READY;        /* switched away, and to again */
        lock(queue_lock);
        state = RUNNING;
        unlock(queue_lock);
        answer = reason
    fi;
slept: skip
}

inline wait(with_deadline, answer) {
    lock(object_lock);
    given = false;
    if
    :: tokens > 0 -> tokens--; given = true; answer = WOKEN; unlock(object_lock)
    :: else ->
        in_list = true;
        waiting = true;
        unlock(object_lock);
        sleep_here(with_deadline, answer);
        if
        :: answer == WOKEN -> skip
        :: answer != WOKEN && BROKEN == 2 && !in_list -> skip
        :: else ->
            lock(object_lock);
            if
            :: in_list -> in_list = false
            :: else ->
                answer = WOKEN;
                if
                :: BROKEN == 3 -> skip
                :: else -> woken = false
                fi
            fi;
            unlock(object_lock)
        fi;
        waiting = false
    fi
}

/* Without a deadline the waiter may rely on the waker, who makes a token for each wait that takes one. */
proctype waiter() {
    byte i;
    mtype answer;
    bool with_deadline;
    for (i : 1 .. ROUNDS) {
        if
        :: with_deadline = true
        :: with_deadline = false
        fi;
        answer = NONE;
        wait(with_deadline, answer);
        assert((answer == WOKEN) == given);
        assert(!in_list && !woken);
        assert(answer != CANCELLED || killed);
        if
        :: given -> tokens_had++
        :: else -> skip
        fi
    }
    assert(tokens_had + tokens <= tokens_made)
}

init {
    atomic { run waiter(); run waker(); run timer(); run killer(); run monitor() }
}
