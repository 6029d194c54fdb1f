/*
 * Who may be in a CPU's hands of the heap (kernel/mm/slab_hands.c): the CPU itself, without a locked instruction
 * or a fence, or one that has taken all hands, never both; and nobody waits for ever, though several waits can
 * be inside each other: for the hands, a cache's lock, and the frame allocator's own way of keeping CPUs out.
 *
 * The machine orders stores as amd64 does: the owner's store to `busy` waits in its store buffer. The barrier is
 * as the kernel does it: a request to each other CPU, which empties its buffer when it answers, and it answers
 * where the kernel does: while it spins for a lock or for hands, in a barrier of its own, and when it has
 * nothing to do. It does not while it waits for the caches of frames.
 */
#define CPUS 3
#define OPS 1 /* with 2 there are 12 million states, and it holds as well */

bit busy[CPUS];       /* in memory */
bit buffered[CPUS];   /* the value in the store buffer */
bit pending[CPUS];    /* there is one */
bit away[CPUS];       /* the pointer to the hands points to empty ones */
byte inside[CPUS];    /* how many are in these hands: the property */
bit slabs_lock, cache_lock;

bit frame_busy[CPUS]; /* of frame_cache.pml, here without its store buffer */
bit frame_stolen;
bit frame_drain;

typedef row { bit by[CPUS] };
row wanted[CPUS];     /* a barrier of CPU `by` waits for this one */
byte finished;

inline store_busy(cpu, value)
{
    atomic {
        if
        :: pending[cpu] -> busy[cpu] = buffered[cpu]
        :: else
        fi;
        buffered[cpu] = value;
        pending[cpu] = 1
    }
}

/* The store buffers empty by themselves, at any time. */
active [CPUS] proctype buffer()
{
end:
    do
    :: atomic { pending[_pid] -> busy[_pid] = buffered[_pid]; pending[_pid] = 0 }
    od
}

#define ASKED(cpu) (wanted[cpu].by[0] || wanted[cpu].by[1] || wanted[cpu].by[2])

inline answer(cpu)
{
    d_step {
        if
        :: pending[cpu] -> busy[cpu] = buffered[cpu]; pending[cpu] = 0
        :: else
        fi;
        wanted[cpu].by[0] = 0;
        wanted[cpu].by[1] = 0;
        wanted[cpu].by[2] = 0
    }
}

/* Spin until it holds, and answer meanwhile. */
#define SPIN(cpu, condition, effect) \
    do \
    :: atomic { condition -> effect; break } \
    :: ASKED(cpu) -> answer(cpu) \
    od

inline barrier(cpu)
{
    d_step {
        wanted[(cpu + 1) % CPUS].by[cpu] = 1;
        wanted[(cpu + 2) % CPUS].by[cpu] = 1;
        if
        :: pending[cpu] -> busy[cpu] = buffered[cpu]; pending[cpu] = 0
        :: else
        fi
    }
    SPIN(cpu, !wanted[(cpu + 1) % CPUS].by[cpu], skip);
    SPIN(cpu, !wanted[(cpu + 2) % CPUS].by[cpu], skip)
}

/* Frames are taken or given back; perhaps there are none, and all caches have to be searched. */
inline use_frames(cpu)
{
    do
    :: frame_busy[cpu] = 1;
       if
       :: atomic { !frame_stolen -> break }
       :: else ->
          frame_busy[cpu] = 0;
          do
          :: atomic { frame_stolen -> skip }
             barrier(cpu)
          :: atomic { !frame_stolen -> break }
          od
       fi
    od;
    frame_busy[cpu] = 0;
    if
    :: skip
    :: do
       :: atomic { !frame_drain -> frame_drain = 1; break }
       :: atomic { frame_drain -> skip }
          barrier(cpu)
       od;
       frame_stolen = 1;
       barrier(cpu);
       !frame_busy[0];
       !frame_busy[1];
       !frame_busy[2];
       atomic { frame_stolen = 0; frame_drain = 0 }
    fi
}

inline use_cache(cpu)
{
    SPIN(cpu, !cache_lock, cache_lock = 1);
    cache_lock = 0
}

/* An object, by the fast path or the slow one. */
inline use_hands(cpu)
{
    do
    :: store_busy(cpu, 1);
       if
       :: atomic { !away[cpu] -> break }
       :: else ->
          store_busy(cpu, 0);
          SPIN(cpu, !away[cpu], skip)
       fi
    od;
    inside[cpu]++;
    assert(inside[cpu] == 1);
    if
    :: skip
    :: use_cache(cpu);
       use_frames(cpu)
    fi;
    inside[cpu]--;
    store_busy(cpu, 0)
}

inline take_all_hands(cpu)
{
    SPIN(cpu, !slabs_lock, slabs_lock = 1);
    atomic { away[0] = 1; away[1] = 1; away[2] = 1 }
    barrier(cpu);
    SPIN(cpu, !busy[0], skip);
    SPIN(cpu, !busy[1], skip);
    SPIN(cpu, !busy[2], skip);
    atomic {
        inside[0]++;
        inside[1]++;
        inside[2]++;
        assert(inside[0] == 1 && inside[1] == 1 && inside[2] == 1)
    }
    use_cache(cpu);
    use_frames(cpu);
    atomic { inside[0]--; inside[1]--; inside[2]-- }
    atomic { away[0] = 0; away[1] = 0; away[2] = 0; slabs_lock = 0 }
}

active [CPUS] proctype cpu()
{
    byte self = _pid - CPUS, operations = 0;
    do
    :: operations < OPS ->
       operations++;
       if
       :: use_hands(self)
       :: take_all_hands(self)
       :: use_cache(self);
          use_frames(self)
       fi
    :: operations == OPS -> break
    od;
    finished++;
    do
    :: atomic { finished == CPUS -> break }
    :: ASKED(self) -> answer(self)
    od
}
