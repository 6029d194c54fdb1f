/*
 * Nobody uses an object that has been destroyed, and every object is destroyed in the end: look-up without a reference
 * (kernel/obj/handle.h) against close and destruction (kernel/obj/object.c).
 *
 * One handle names one object, with the only reference. CPUs 0 and 1 look it up, use it, and sometimes take a reference;
 * CPU 2 closes it. Whoever drops the last reference buries: it destroys the object, unless a hazard slot names it;
 * then it leaves it to that CPU, which buries on its own way out.
 *
 * The machine orders stores as amd64 does: a plain store waits in the CPU's store buffer and reaches memory later than
 * the CPU's following loads may happen. XCHG and LOCK instructions empty the buffer first.
 *
 * With -DPLAIN_PUBLISH the hazard slot is written by a plain store, with -DLATE_CLOSE the last reference is dropped
 * before the handle names nothing: Spin has to find an error in both.
 */
#define CPUS 3
#define LOOKS 3

bool tag = true;           /* the handle names the object */
byte references = 1;
bool alive = true;         /* not destroyed */
bool hazard[CPUS];         /* in memory */
bool buffer_full[CPUS];    /* there is a store to the hazard slot in the buffer ... */
bool buffer[CPUS];         /* ... of this value */
bool tag_buffered;         /* CPU 2's store to the tag is in its buffer */
bool dying[CPUS];          /* the object is on this CPU's list of the dying */
byte burying;              /* CPUs that have it in hand */
byte finished;

#define NOBODY_HAS_IT (!dying[0] && !dying[1] && !dying[2] && burying == 0)

inline empty_buffer(cpu)
{
    hazard[cpu] = (buffer_full[cpu] -> buffer[cpu] : hazard[cpu]);
    buffer_full[cpu] = false;
    tag = (cpu == 2 && tag_buffered -> false : tag);
    tag_buffered = (cpu == 2 -> false : tag_buffered)
}

inline store_hazard(cpu, value)
{
    /* Stores leave the buffer in order: an earlier one first. */
    atomic {
        empty_buffer(cpu);
        buffer[cpu] = value;
        buffer_full[cpu] = true
    }
}

inline exchange_hazard(cpu, value)
{
    atomic { empty_buffer(cpu); hazard[cpu] = value }
}

/* The buffers empty by themselves, at any time. */
active [CPUS] proctype store_buffer()
{
    do
    :: atomic { buffer_full[_pid] || (_pid == 2 && tag_buffered) -> empty_buffer(_pid) }
    :: finished == CPUS -> break
    od
}

/* On the way out; the CPU's own hazard slot is clear, for itself at once. */
inline bury(cpu)
{
    if
    :: atomic { dying[cpu] -> empty_buffer(cpu); dying[cpu] = false; burying++ };
       other = 0;
       do
       :: other < CPUS && hazard[other] && other != cpu -> dying[other] = true; break
       :: other < CPUS && !(hazard[other] && other != cpu) -> other++
       :: other == CPUS -> assert(alive); alive = false; break
       od;
       other = 0;
       burying--
    :: !dying[cpu]
    fi
}

inline release(cpu)
{
    atomic {
        empty_buffer(cpu);
        assert(references > 0);
        references--;
        if
        :: references == 0 -> dying[cpu] = true
        :: else
        fi
    }
}

inline use_with_reference(cpu)
{
    atomic {
        empty_buffer(cpu);
        if
        :: references > 0 -> references++; held = true
        :: else -> held = false
        fi
    };
    store_hazard(cpu, false);
    if
    :: held ->
       bury(cpu); /* others may run now */
       assert(alive);
       release(cpu)
    :: else
    fi
}

inline look(cpu)
{
    if
    :: tag ->
#ifdef PLAIN_PUBLISH
       store_hazard(cpu, true);
#else
       exchange_hazard(cpu, true);
#endif
       if
       :: tag ->
          assert(alive);
          if
          :: use_with_reference(cpu)
          :: assert(alive); store_hazard(cpu, false)
          fi
       :: !tag -> store_hazard(cpu, false)
       fi
    :: !tag
    fi
}

active [CPUS] proctype cpu()
{
    byte self = _pid - CPUS, looks = 0, other = 0;
    bool held = false;
    if
    :: self == 2 ->
#ifdef LATE_CLOSE
       release(self);
       bury(self);
       tag_buffered = true
#else
       tag_buffered = true; /* a plain store, under a lock that look-ups do not take */
       release(self)
#endif
    :: else ->
       do
       :: looks < LOOKS -> looks++; look(self); bury(self)
       :: looks == LOOKS -> break
       od
    fi;
    bury(self);
    finished++;
    /* A CPU that is idle or in user mode is interrupted when something was left to it. */
    do
    :: dying[self] -> bury(self)
    :: finished == CPUS && NOBODY_HAS_IT -> break
    od;
    assert(!alive)
}
