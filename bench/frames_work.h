/*
 * The workloads, written once and compiled for each allocator: the including file defines WORK(name), which
 * makes a function's name, and TAKE(order, first) and GIVE(first, order). Each function is run by all threads
 * of a worker's team at once and returns the nanoseconds that the thread spent on an operation.
 */

/* Take `count` blocks. */
static double WORK(bulk_take)(struct worker *worker, unsigned order, uint64_t count)
{
    uint64_t *held = worker->held;
    uint64_t begin = worker_begin(worker);
    for (uint64_t i = 0; i < count; i++)
        if (!TAKE(order, &held[i]))
            worker_fail("a request was refused while memory was free");
    return worker_end(worker, begin, count);
}

/* Give back `count` blocks in the order that `from` holds them. */
static double WORK(bulk_give)(struct worker *worker, unsigned order, const uint64_t *from, uint64_t count)
{
    uint64_t begin = worker_begin(worker);
    for (uint64_t i = 0; i < count; i++)
        GIVE(from[i], order);
    return worker_end(worker, begin, count);
}

static double WORK(pairs)(struct worker *worker, unsigned order, uint64_t count)
{
    uint64_t begin = worker_begin(worker), first = 0;
    for (uint64_t i = 0; i < count; i++) {
        if (!TAKE(order, &first))
            worker_fail("a request was refused while memory was free");
        GIVE(first, order);
    }
    return worker_end(worker, begin, count);
}

static double WORK(mixed_pairs)(struct worker *worker, uint64_t count)
{
    uint64_t begin = worker_begin(worker), first = 0;
    for (uint64_t i = 0; i < count; i++) {
        unsigned order = worker->orders[i % MIXED_ORDERS];
        if (!TAKE(order, &first))
            worker_fail("a request was refused while memory was free");
        GIVE(first, order);
    }
    return worker_end(worker, begin, count);
}

/* Give back each of `held`, which is in random order, and take another in its place at once. */
static double WORK(exchange)(struct worker *worker, uint64_t count)
{
    uint64_t *held = worker->held;
    uint64_t begin = worker_begin(worker);
    for (uint64_t i = 0; i < count; i++) {
        GIVE(held[i], 0);
        if (!TAKE(0, &held[i]))
            worker_fail("a request was refused while memory was free");
    }
    return worker_end(worker, begin, count);
}

/* Take single frames until there are no more; returns how many. */
static uint64_t WORK(fill)(struct worker *worker)
{
    uint64_t count = 0;
    while (count < worker->limit && TAKE(0, &worker->held[count]))
        count++;
    return count;
}

static void WORK(run_small)(struct worker *worker)
{
    uint64_t share = worker->frames / worker->team->threads, blocks = share / 512;
    worker->ns[BULK_TAKE] = WORK(bulk_take)(worker, 0, share - 2 * worker->slack);
    worker->ns[BULK_GIVE] = WORK(bulk_give)(worker, 0, worker->held, share - 2 * worker->slack);
    worker->ns[PAIR_0] = WORK(pairs)(worker, 0, PAIRS);
    worker->ns[PAIR_4] = WORK(pairs)(worker, 4, PAIRS);
    worker->ns[PAIR_9] = WORK(pairs)(worker, 9, PAIRS);
    worker->ns[MIXED] = WORK(mixed_pairs)(worker, PAIRS);
    double take = 0, give = 0;
    for (int round = 0; round < ROUNDS_9; round++) {
        take += WORK(bulk_take)(worker, 9, blocks - 64);
        give += WORK(bulk_give)(worker, 9, worker->held, blocks - 64);
    }
    worker->ns[BULK_TAKE_9] = take / ROUNDS_9;
    worker->ns[BULK_GIVE_9] = give / ROUNDS_9;
}

static void WORK(run_random)(struct worker *worker)
{
    uint64_t share = worker->frames / worker->team->threads, most = share - 2 * worker->slack;
    WORK(bulk_take)(worker, 0, most);
    worker_shuffle(worker, most);
    worker->ns[RANDOM_GIVE] = WORK(bulk_give)(worker, 0, worker_other(worker), most);
    uint64_t full = WORK(fill)(worker);
    worker_shuffle(worker, full);
    worker->ns[EXCHANGE_100] = WORK(exchange)(worker, full);
    uint64_t left = full - full / 10;
    worker_shuffle(worker, full);
    WORK(bulk_give)(worker, 0, worker->held + left, full - left);
    worker->ns[EXCHANGE_90] = WORK(exchange)(worker, left);
    WORK(bulk_give)(worker, 0, worker->held, left);
}

/* One run of both on a fresh arena. */
static void WORK(run)(struct worker *worker)
{
    if (worker->small)
        WORK(run_small)(worker);
    WORK(run_random)(worker);
}

#undef WORK
#undef TAKE
#undef GIVE
