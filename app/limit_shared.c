/*
 * Budgets shared by instances. A request must fit the whole budget as this instance alone counts
 * it, and must then be covered: by the instance's own part (a quarter, which comes back at a
 * quarter of the rate), or by credit leased from the store. Who leases tells at the same time what
 * it has used of its own part, so that this counts for everybody from then on. While the store does
 * not answer this instance's own count decides, and sign-ins cost ten times as much.
 */
#include "app/limit.h"

#include <errno.h>
#include <time.h>

#include "app/limit_internal.h"

#define EXACT_BELOW 16             /* smaller budgets are leased one by one, from the first */
#define ALONE_NS    LIMIT_NS       /* after a failed lease nobody asks for so long */
#define ASK_NS      (LIMIT_NS / 5) /* a used-up budget is asked for at most so often */
#define WAIT_NS     (LIMIT_NS / 4) /* for another request's lease */
#define ALONE_COST  10             /* of a sign-in while the store is down */

enum verdict { VERDICT_UNSET = 0, ALLOWED, REFUSED, ASK, WAIT };

/* One request on its way. */
struct take {
    struct limiter *limiter;
    const struct limit_key *key;
    const struct limit_rule *rule;
    struct limit_entry name;
    struct limit_shard *shard;
    int64_t interval, period, quarter;
    int64_t now;
    int64_t fits_at; /* when refused: the moment at which one request fits */
};

int64_t limit_quarter(const struct limit_rule *rule)
{
    return rule->count < EXACT_BELOW ? 0 : rule->count / 4;
}

int64_t limit_chunk(const struct limit_rule *rule)
{
    return rule->count < EXACT_BELOW ? 1 : rule->count / 16;
}

/* The store counts in microseconds: budgets beyond one a microsecond are nobody's to share. */
static bool is_shareable(const struct limit_rule *rule)
{
    return rule->count > 0 && rule->seconds > 0 && limit_period(rule) / rule->count >= 1000;
}

static void begin(struct take *take)
{
    take->name = limit_make_key(take->key->class, take->key->subject, take->key->size);
    take->shard = limit_shard_of(take->limiter, &take->name);
    take->interval = limit_period(take->rule) / take->rule->count;
    take->period = take->interval * take->rule->count;
    take->quarter = limit_quarter(take->rule);
}

static struct limit_entry *find_or_make(struct take *take)
{
    struct limit_entry *stalest;
    struct limit_entry *entry = limit_find(take->limiter, take->shard, &take->name, &stalest);

    if (entry != NULL)
        return entry;
    *stalest = take->name;
    stalest->whole_at = take->now;
    return stalest;
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t lesser(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* --- deciding --- */

/* Credit goes when the budget it was leased from is whole again: nobody saves up. */
static void settle(const struct take *take, struct limit_entry *entry)
{
    if (entry->shared_at <= take->now)
        entry->credit = 0;
}

static int64_t free_interval(const struct take *take)
{
    return take->period / take->quarter;
}

static bool take_free(const struct take *take, struct limit_entry *entry)
{
    if (take->quarter == 0)
        return false;

    const int64_t free_at = later(entry->free_at, take->now) + free_interval(take);

    if (free_at - take->now > take->period)
        return false;
    entry->free_at = free_at;
    return true;
}

static enum verdict count(struct take *take, struct limit_entry *entry, bool covered, int64_t cost)
{
    entry->whole_at =
        lesser(later(entry->whole_at, take->now), take->now + take->period) + cost * take->interval;
    if (covered) {
        entry->credit--;
    } else {
        if (entry->debt == 0)
            entry->owed_at = take->now;
        entry->debt = lesser(entry->debt + 1, take->rule->count);
    }
    return ALLOWED;
}

static bool is_alone(const struct take *take)
{
    return atomic_load_explicit(&take->limiter->alone_until, memory_order_relaxed) > take->now;
}

static int64_t cost_of(const struct take *take)
{
    if (take->key->class != LIMIT_SIGN_IN || !is_alone(take))
        return 1;
    return lesser(ALONE_COST, take->rule->count);
}

static enum verdict decide(struct take *take, struct limit_entry *entry, bool may_wait)
{
    const int64_t cost = cost_of(take);
    const int64_t start = lesser(later(entry->whole_at, take->now), take->now + take->period);

    settle(take, entry);
    take->fits_at = start + cost * take->interval - take->period;
    if (take->fits_at > take->now)
        return REFUSED;
    if (take_free(take, entry))
        return count(take, entry, false, cost);
    if (entry->credit > 0)
        return count(take, entry, true, cost);
    if (is_alone(take))
        return count(take, entry, false, cost);
    take->fits_at = entry->ask_at;
    if (entry->ask_at > take->now)
        return REFUSED;
    if (!entry->leasing)
        return ASK;
    return may_wait ? WAIT : count(take, entry, false, cost);
}

/* --- leasing --- */

static void receive(const struct take *take, struct limit_entry *entry, int64_t told,
                    const struct limit_lease *lease)
{
    const int64_t paid = lesser(lease->given, told);
    const int64_t ahead = lease->ahead_us * 1000;

    entry->debt = later(entry->debt - paid, 0);
    entry->owed_at = take->now;
    entry->credit += lease->given - paid;
    entry->shared_at = take->now + ahead;
    entry->ask_at = 0;
    if (entry->credit == 0)
        entry->ask_at = later(take->now + ASK_NS,
                              entry->shared_at - take->period + (entry->debt + 1) * take->interval);
}

/* Without the lock in between; the entry may have gone meanwhile. */
static void ask(struct take *take, struct limit_entry *entry, const struct limit_source *source)
{
    const struct limit_ask wanted = {
        .told = entry->debt,
        .age_us = entry->debt > 0 ? (take->now - entry->owed_at) / 1000 : 0,
        .more = limit_chunk(take->rule),
    };
    struct limit_lease lease = {.given = 0};

    entry->leasing = true;
    pthread_mutex_unlock(&take->shard->lock);
    const bool answered = source->lease(source->arg, take->key, take->rule, &wanted, &lease);
    pthread_mutex_lock(&take->shard->lock);
    take->now = limit_now();
    entry = find_or_make(take);
    entry->leasing = false;
    if (answered)
        receive(take, entry, wanted.told, &lease);
    else
        atomic_store(&take->limiter->alone_until, take->now + ALONE_NS);
    pthread_cond_broadcast(&take->shard->leased);
}

/* False: it takes too long. */
static bool wait_for_lease(struct take *take, int64_t until)
{
    const struct timespec limit = {.tv_sec = until / LIMIT_NS, .tv_nsec = until % LIMIT_NS};

    return pthread_cond_timedwait(&take->shard->leased, &take->shard->lock, &limit) != ETIMEDOUT;
}

/* --- telling --- */

/* What this instance could still use: by its own count, and of what it knows to be left for all. */
static int64_t remaining(const struct take *take, const struct limit_entry *entry)
{
    const int64_t own =
        (take->period - (later(entry->whole_at, take->now) - take->now)) / take->interval;

    if (entry->shared_at <= take->now)
        return later(own, 0);

    const int64_t left = (take->period - (entry->shared_at - take->now)) / take->interval;
    int64_t without = 0;

    if (take->quarter > 0)
        without =
            (take->period - (later(entry->free_at, take->now) - take->now)) / free_interval(take);
    return later(lesser(own, later(left - entry->debt + entry->credit, without)), 0);
}

static void tell(const struct take *take, const struct limit_entry *entry, bool allowed,
                 struct limit_result *ret_result)
{
    const int64_t whole_at = later(entry->whole_at, entry->shared_at);

    ret_result->allowed = allowed;
    ret_result->remaining = allowed ? remaining(take, entry) : 0;
    ret_result->reset_seconds = limit_seconds_up(whole_at - take->now);
    if (!allowed)
        ret_result->retry_after = later(limit_seconds_up(take->fits_at - take->now), 1);
}

/* --- taking --- */

void limit_take_shared(struct limiter *limiter, const struct limit_key *key,
                       const struct limit_rule *rule, const struct limit_source *source,
                       struct limit_result *ret_result)
{
    struct take take = {.limiter = limiter, .key = key, .rule = rule};
    enum verdict verdict = VERDICT_UNSET;
    bool may_wait = true;
    int64_t until = 0;

    if (!is_shareable(rule)) {
        limit_take(limiter, key->class, key->subject, key->size, rule, ret_result);
        return;
    }
    *ret_result = (struct limit_result){.allowed = true, .limit = rule->count};
    begin(&take);
    pthread_mutex_lock(&take.shard->lock);
    take.now = limit_now();
    until = take.now + WAIT_NS;

    struct limit_entry *entry = find_or_make(&take);

    while ((verdict = decide(&take, entry, may_wait)) != ALLOWED && verdict != REFUSED) {
        if (verdict == ASK)
            ask(&take, entry, source);
        else
            may_wait = wait_for_lease(&take, until);
        take.now = limit_now();
        entry = find_or_make(&take);
    }
    tell(&take, entry, verdict == ALLOWED, ret_result);
    pthread_mutex_unlock(&take.shard->lock);
}

void limit_refund_shared(struct limiter *limiter, const struct limit_key *key,
                         const struct limit_rule *rule)
{
    struct take take = {.limiter = limiter, .key = key, .rule = rule};
    struct limit_entry *stalest;

    if (!is_shareable(rule)) {
        limit_refund(limiter, key->class, key->subject, key->size, rule);
        return;
    }
    begin(&take);
    pthread_mutex_lock(&take.shard->lock);
    struct limit_entry *entry = limit_find(limiter, take.shard, &take.name, &stalest);
    if (entry != NULL) {
        entry->whole_at -= take.interval;
        if (entry->debt > 0) {
            entry->debt--;
            if (take.quarter > 0)
                entry->free_at -= free_interval(&take);
        } else {
            entry->credit++;
        }
    }
    pthread_mutex_unlock(&take.shard->lock);
}
