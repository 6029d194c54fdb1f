/*
 * No CPU uses a frame after it is given out again, or a page after another one took its place: generations, requests
 * and quarantine of kernel/mm/tlb.c and kernel/mm/quarantine.c.
 *
 * One page of one space is mapped, unmapped by two CPUs at once and mapped again, while these and, with CPUS=3, a third one load
 * the space and leave it. Each CPU has one tag beside the kernel's, which another space takes away sometimes. What is
 * unmapped stays with its object, which knows the request that was not waited for (the afterimage in
 * kernel/mm/memory.h), and is mapped again; or the object gives it back, and waits for that request; or the object
 * ends, and what is not answered yet is retired, by either CPU, into a quarantine with room for one frame each.
 *
 * The hardware of a CPU that has the space loaded walks the tables and uses what it remembers at any time, in user
 * mode or not. What is asserted: what is used has not been given out again, and nothing was mapped in its place.
 *
 * Each access to a word that several CPUs write is a step of its own. In the kernel those are locked instructions, or
 * loads behind one, so the order of the steps is the order in memory. A CPU takes interrupts between its operations.
 *
 * BROKEN selects a mistake that Spin has to find:
 *   1  a CPU that loads reads the generation before it sets its bit in the mask
 *   2  what is retired goes back without waiting for answers
 *   3  a tag that is the space's is kept whatever its generation is
 *   4  a CPU that leaves takes its bit away before other tables are loaded
 *   5  a CPU says that it has answered requests which came while it was forgetting
 *   6  a request that has not told everybody counts as answered for good
 *   7  CPUs that wait do not answer                                           (they wait for ever)
 *   8  who maps does not wait for those who unmapped without waiting
 *   9  the mask is read before the generation is raised
 *  10  an object that ends has its frames released at once
 *  11  an object gives a frame back without waiting for what CPUs remember of views that are gone
 */
#ifndef BROKEN
#define BROKEN 0
#endif
#ifndef CPUS
#define CPUS 2
#endif
#define WORKERS 2
#ifndef OPS
#define OPS 4 /* by all CPUs together */
#endif
#define FRAMES 2

#define NONE 0  /* no space, no frame; frames are 1 .. FRAMES */
#define SPACE 1
#define OTHER 2 /* a space that is nobody's here, and takes the tag */

/* The space. */
byte pte = 1;
byte generation = 1;
bool mask[CPUS];
byte asked;          /* the last request that nobody waited for */
bool tables_lock;

/* What a CPU has. */
byte current[CPUS];  /* what is loaded */
byte known[CPUS];    /* what it remembers of the page, with the tag */
bool dead[CPUS];     /* that must not be used any more */
byte tag_of[CPUS];   /* the space whose tag it is */
byte tag_generation[CPUS];
bool interrupt[CPUS];

/* Requests. */
byte requests, settled, telling;
byte wanted[CPUS], answered[CPUS];

/* Frames that are unmapped and stay with their object, with the request that this knows of (0: none); the quarantine of
 * each CPU; those that are free. */
bool loose[FRAMES + 1];
byte noted[FRAMES + 1];
byte waiting[WORKERS];
byte waiting_for[WORKERS];
bool is_used[FRAMES + 1]; /* not given back: what is mapped, and what is on its way */

byte left = OPS;
byte finished;

/* Of several CPUs at once: what has been answered stays so. */
#define DONE(c, request) (answered[c] >= request || answered[c] >= wanted[c])
#define ANSWERED(request) (DONE(0, request) && DONE(1, request) && DONE(CPUS - 1, request))

inline forget(c) { known[c] = NONE; dead[c] = false }

/* The hardware, whatever the kernel does. */
proctype hardware(byte c)
{
    do
    :: atomic { current[c] == SPACE && known[c] == NONE && pte != NONE -> known[c] = pte }
    :: atomic { current[c] == SPACE && dead[c] -> assert(false) } /* it is used */
    :: finished == CPUS -> break
    od
}

/* From now on whoever still reaches this frame does wrong. */
inline give_out(f)
{
    atomic {
        assert(is_used[f]);
        is_used[f] = false;
        for (i : 0 .. CPUS - 1) {
            if
            :: known[i] == f -> dead[i] = true
            :: else
            fi
        };
        i = 0
    }
}

inline catch_up(c)
{
    if
    :: current[c] == SPACE ->
       g = generation;
       if
       :: tag_generation[c] != g -> atomic { forget(c); tag_generation[c] = g }
       :: else
       fi
    :: else
    fi;
    g = 0
}

inline serve(c)
{
    last = requests;
    if
    :: last != answered[c] ->
       catch_up(c);
       if
       :: BROKEN == 5 -> last = requests
       :: else
       fi;
       answered[c] = last
    :: else
    fi;
    last = 0
}


/* tlb_all_answered: also for others, which is what `settled` is for. */
inline all_answered()
{
    upto = requests;
    if
    :: settled >= upto -> yes = true
    :: else ->
       told = (BROKEN == 6 || telling == 0);
       yes = ANSWERED(upto);
       if
       :: yes && told -> atomic { settled = (settled > upto -> settled : upto) }
       :: else
       fi
    fi
}

inline wait_for(c, request)
{
    do
    :: settled >= request || ANSWERED(request) -> break
    :: BROKEN != 7 && requests != answered[c] -> serve(c)
    od
}

/* A lock, spinning as locks do. */
inline lock(c)
{
    do
    :: atomic { !tables_lock -> tables_lock = true }; break
    :: BROKEN != 7 && tables_lock && requests != answered[c] -> serve(c)
    od
}

/* The mask is a word. */
inline see_others(c)
{
    atomic {
        for (i : 0 .. CPUS - 1) {
            to[i] = (i != c && mask[i]);
            someone = someone || to[i]
        };
        i = 0
    }
}

/* Leaves the number of the request in `mine`; 0: there was nobody to ask. */
inline ask(c)
{
    mine = 0;
    if
    :: BROKEN == 9 -> see_others(c); generation++
    :: else -> generation++; see_others(c)
    fi;
    if
    :: someone ->
       telling++;
       atomic { requests++; mine = requests };
       do
       :: i == CPUS -> i = 0; break
       :: i < CPUS && !to[i] -> i++
       :: i < CPUS && to[i] -> atomic { wanted[i] = (wanted[i] < mine -> mine : wanted[i]); i++ }
       od;
       atomic {
           telling--;
           for (i : 0 .. CPUS - 1) {
               interrupt[i] = interrupt[i] || to[i];
               to[i] = false
           };
           i = 0;
           someone = false
       }
    :: else
    fi;
    catch_up(c)
}

inline load(c)
{
    if
    :: BROKEN == 1 -> g = generation; mask[c] = true
    :: else -> mask[c] = true; g = generation
    fi;
    atomic {
        if
        :: tag_of[c] == SPACE && (tag_generation[c] == g || BROKEN == 3)
        :: else -> forget(c)
        fi;
        tag_of[c] = SPACE; tag_generation[c] = g;
        current[c] = SPACE; g = 0
    }
}

inline leave(c)
{
    if
    :: BROKEN == 4 -> mask[c] = false
    :: else
    fi;
    if
    :: current[c] = NONE
    :: atomic { forget(c); tag_of[c] = OTHER; current[c] = OTHER }
    fi;
    mask[c] = false
}

/* The page, or another one of the space, of which no more is told. */
inline unmap(c)
{
    lock(c);
    if
    :: atomic { pte != NONE -> f = pte; pte = NONE }
    :: skip
    fi;
    ask(c);
    if /* with the lock, as callers do */
    :: wait_for(c, mine)
    :: atomic { asked = (asked < mine -> mine : asked) }
    fi;
    atomic {
        loose[f] = (f != NONE);
        noted[f] = (f != NONE && !ANSWERED(mine) -> mine : 0);
        f = 0; mine = 0
    };
    tables_lock = false
}

inline map(c)
{
    lock(c);
    if
    :: atomic { pte == NONE && !is_used[2] -> f = 2; is_used[2] = true }
    :: atomic { pte == NONE && is_used[2] && !is_used[1] -> f = 1; is_used[1] = true }
    :: atomic { pte == NONE && loose[1] -> f = 1; loose[1] = false } /* as it is, of the object that it is in */
    :: pte != NONE || (is_used[1] && is_used[2]) -> f = NONE
    fi;
    if
    :: f != NONE ->
       if
       :: BROKEN == 8
       :: else -> wait_for(c, asked)
       fi;
       atomic { /* whatever is still remembered there is wrong now */
           for (i : 0 .. CPUS - 1) {
               dead[i] = dead[i] || (known[i] != NONE && known[i] != f)
           };
           i = 0;
           pte = f; f = 0
       }
    :: else
    fi;
    tables_lock = false
}

/* Give what waits in this quarantine back, if it can be, or with `must` when it can. */
inline settle(c, whose, must)
{
    if
    :: waiting[whose] != NONE ->
       upto = waiting_for[whose];
       yes = true;
       if
       :: BROKEN == 2
       :: must && BROKEN != 2 -> wait_for(c, upto); yes = true
       :: !must && BROKEN != 2 && settled < upto -> yes = ANSWERED(upto)
       :: !must && BROKEN != 2 && settled >= upto
       fi;
       if
       :: yes ->
          /* Others may have been here meanwhile. */
          atomic {
              if
              :: waiting[whose] != NONE && waiting_for[whose] <= upto ->
                 r = waiting[whose]; waiting[whose] = NONE; waiting_for[whose] = 0
              :: else
              fi
          };
          if
          :: r != NONE -> give_out(r); r = 0
          :: else
          fi
       :: else
       fi;
       yes = false; upto = 0
    :: else
    fi
}

/* A frame that an object has, and that is not mapped, with the request to be waited for; or none. */
inline take_loose()
{
    if
    :: atomic { loose[1] -> loose[1] = false; f = 1; mine = noted[1]; noted[1] = 0 }
    :: atomic { loose[2] && !loose[1] -> loose[2] = false; f = 2; mine = noted[2]; noted[2] = 0 }
    :: !loose[1] && !loose[2]
    fi
}

/* Decommit, another size: of an object that stays. */
inline give_back(c)
{
    take_loose();
    if
    :: f != NONE && BROKEN != 11 -> wait_for(c, mine)
    :: f == NONE || BROKEN == 11
    fi;
    if
    :: f != NONE -> give_out(f)
    :: else
    fi;
    f = 0; mine = 0
}

/* The object ends. */
inline retire(c)
{
    take_loose();
    if
    :: f != NONE ->
       yes = (settled >= mine || ANSWERED(mine) || BROKEN == 10);
       if
       :: yes -> yes = false; give_out(f); f = 0
       :: else
       fi
    :: else
    fi;
    mine = 0;
    all_answered(); /* also without anything to retire: what it notes down is for everybody */
    if
    :: f == NONE
    :: f != NONE && (yes || BROKEN == 2) -> yes = false; give_out(f); f = 0
    :: f != NONE && !yes && BROKEN != 2 ->
       mine = upto;
       do
       :: atomic { waiting[c] == NONE -> waiting[c] = f; waiting_for[c] = mine }; break
       :: waiting[c] != NONE -> settle(c, c, true)
       od;
       f = 0; mine = 0
    fi;
    yes = false; upto = 0; told = false
}

proctype cpu(byte self)
{
    byte g = 0, last = 0, i = 0, f = 0, r = 0, mine = 0, upto = 0;
    bool yes = false, told = false, someone = false;
    bool to[CPUS];
    do
    :: interrupt[self] -> interrupt[self] = false; serve(self)
    :: atomic { left > 0 -> left-- };
       if
       :: current[self] != SPACE -> load(self)
       :: current[self] == SPACE -> leave(self)
       :: self < WORKERS -> unmap(self)
       :: self < WORKERS -> map(self)
       :: self < WORKERS -> retire(self)
       :: self < WORKERS -> give_back(self)
       :: self < WORKERS -> settle(self, 1 - self, false)
       fi
    :: left == 0 -> break
    od;
    finished++;
    do
    :: interrupt[self] -> interrupt[self] = false; serve(self)
    :: finished == CPUS && !interrupt[self] -> break
    od
}

/* Frame 1 is mapped, all CPUs but the first have the space loaded. */
init
{
    byte n;
    atomic {
        is_used[1] = true;
        for (n : 1 .. CPUS - 1) {
            mask[n] = true;
            current[n] = SPACE;
            tag_of[n] = SPACE;
            tag_generation[n] = generation
        };
        for (n : 0 .. CPUS - 1) {
            run hardware(n);
            run cpu(n)
        }
    }
}
