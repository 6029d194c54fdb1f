/*
 * Who may be in a CPU's cache of page frames: the CPU itself, without a locked instruction or a fence, or a CPU
 * that drains it, never both (kernel/mm/frame_cache.c). And no frame is lost or found twice on the way.
 *
 * The machine orders stores as amd64 does: the owner's store to `busy` waits in its store buffer and reaches
 * memory later than the owner's following loads may happen. frame_platform_barrier makes the other CPUs empty
 * their buffers. Frames are given back by either CPU, whichever took them, each into its own cache ("remote
 * free"), or drained from it into the pool.
 */
#define CPUS 2
#define OPS 3

byte busy[CPUS];      /* in memory */
byte buffered[CPUS];  /* the value in the store buffer */
bool pending[CPUS];   /* there is one */
bool stolen[CPUS];
bool drain;           /* the lock of the drainers */
byte inside[CPUS];    /* how many are in this cache: the property */
byte cached[CPUS];    /* frames in this cache */
byte pool = 2;        /* frames in the pool */
byte held;            /* frames in use, by anybody */
byte flying;          /* frames on their way into a cache */
byte finished;

#define ALL (cached[0] + cached[1] + pool + held)

inline store_busy(cpu, value)
{
    /* Stores leave the buffer in order: an earlier one first. */
    atomic {
        if
        :: pending[cpu] -> busy[cpu] = buffered[cpu]
        :: else
        fi;
        buffered[cpu] = value;
        pending[cpu] = true
    }
}

inline barrier()
{
    atomic {
        busy[0] = (pending[0] -> buffered[0] : busy[0]);
        pending[0] = false;
        busy[1] = (pending[1] -> buffered[1] : busy[1]);
        pending[1] = false
    }
}

/* The store buffers empty by themselves, at any time. */
active [CPUS] proctype buffer()
{
    do
    :: atomic { pending[_pid] -> busy[_pid] = buffered[_pid]; pending[_pid] = false }
    :: finished == CPUS -> break
    od
}

inline enter(cpu)
{
    do
    :: store_busy(cpu, 1);
       if
       :: !stolen[cpu] -> break
       :: else ->
          store_busy(cpu, 0);
          do
          :: stolen[cpu] -> barrier()
          :: !stolen[cpu] -> break
          od
       fi
    od;
    inside[cpu]++;
    assert(inside[cpu] == 1)
}

inline leave(cpu)
{
    inside[cpu]--;
    store_busy(cpu, 0)
}

inline quiesce()
{
    do
    :: atomic { !drain -> drain = true; break }
    :: else -> barrier()
    od;
    stolen[0] = true;
    stolen[1] = true;
    barrier();
    busy[0] == 0;
    inside[0]++;
    assert(inside[0] == 1);
    busy[1] == 0;
    inside[1]++;
    assert(inside[1] == 1)
}

inline resume()
{
    inside[0]--;
    stolen[0] = false;
    inside[1]--;
    stolen[1] = false;
    drain = false
}

/* In the cache: from the cache, or by a refill from the pool. `got` says whether there was a frame. */
inline take(cpu)
{
    enter(cpu);
    got = true;
    if
    :: cached[cpu] > 0 -> cached[cpu]--; held++
    :: else ->
       atomic {
           if
           :: pool > 0 -> pool--; held++
           :: else -> got = false
           fi
       }
    fi;
    leave(cpu)
}

/* Nothing here: with everybody out, all that is free is in sight. */
inline take_exhaustively()
{
    quiesce();
    atomic { pool = pool + cached[0] + cached[1]; cached[0] = 0; cached[1] = 0 }
    if
    :: pool > 0 -> atomic { pool--; held++; got = true }
    :: else -> assert(held + flying == 2) /* refused only when no frame is free */
    fi;
    resume()
}

active [CPUS] proctype cpu()
{
    byte self = _pid - CPUS, operations = 0;
    bool got;
    do
    :: operations < OPS ->
       operations++;
       if
       :: true ->
          take(self);
          if
          :: !got -> take_exhaustively()
          :: else
          fi
       :: atomic { held > 0 -> held--; flying++ }
          enter(self);
          atomic { cached[self]++; flying-- }
          leave(self)
       :: true ->
          quiesce();
          atomic { pool = pool + cached[0] + cached[1]; cached[0] = 0; cached[1] = 0 }
          assert(ALL <= 2);
          resume()
       :: skip
       fi
    :: operations == OPS -> break
    od;
    finished++;
    (finished == CPUS) -> assert(ALL == 2)
}
