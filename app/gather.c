/* Parties: who leads, who waits, who comes along. */
#include "app/gather.h"

#include <stdlib.h>

#include "app/clock.h"
#include "app/condition.h"

enum guest_state { GUEST_UNSET = 0, GUEST_WAITS, GUEST_LEADS, GUEST_INVITED, GUEST_SERVED };

struct gather {
    gather_alike_fn are_alike;
    pthread_mutex_t lock;
    /* Under lock. */
    struct gather_guest *busy; /* the leaders of parties under way */
    struct gather_guest *first, **last;
};

enum err gather_new(gather_alike_fn are_alike, struct gather **ret_gather)
{
    struct gather *gather = calloc(1, sizeof *gather);

    if (gather == NULL)
        return ERR_MEMORY;
    pthread_mutex_init(&gather->lock, NULL);
    gather->are_alike = are_alike;
    gather->last = &gather->first;
    *ret_gather = gather;
    return ERR_OK;
}

void gather_free(struct gather *gather)
{
    if (gather == NULL)
        return;
    pthread_mutex_destroy(&gather->lock);
    free(gather);
}

/* ---- under the lock ---- */

static bool are_alike(const struct gather *gather, const struct gather_guest *one,
                      const struct gather_guest *other)
{
    return gather->are_alike(one->work, other->work);
}

static bool may_lead(const struct gather *gather, const struct gather_guest *guest)
{
    for (const struct gather_guest *one = gather->busy; one != NULL; one = one->busy_next) {
        if (are_alike(gather, one, guest))
            return false;
    }
    return true;
}

static void make_leader(struct gather *gather, struct gather_guest *guest)
{
    guest->state = GUEST_LEADS;
    guest->busy_next = gather->busy;
    gather->busy = guest;
}

static void unlink_at(struct gather *gather, struct gather_guest **link)
{
    struct gather_guest *guest = *link;

    *link = guest->next;
    if (gather->last == &guest->next)
        gather->last = link;
    guest->next = NULL;
}

static void leave_queue(struct gather *gather, const struct gather_guest *guest)
{
    struct gather_guest **link = &gather->first;

    while (*link != guest)
        link = &(*link)->next;
    unlink_at(gather, link);
}

/* Who waits for the same comes along. */
static void invite(struct gather *gather, struct gather_guest *leader)
{
    struct gather_guest **link = &gather->first, **party = &leader->next;

    for (int count = 1; *link != NULL && count < GATHER_MOST;) {
        struct gather_guest *guest = *link;

        if (!are_alike(gather, guest, leader)) {
            link = &guest->next;
            continue;
        }
        unlink_at(gather, link);
        guest->state = GUEST_INVITED;
        *party = guest;
        party = &guest->next;
        count++;
    }
}

static void wait_in_queue(struct gather *gather, struct gather_guest *guest, int64_t wait_ms)
{
    const int64_t until = clock_monotonic_ms() + wait_ms;
    bool in_time = true;

    guest->state = GUEST_WAITS;
    *gather->last = guest;
    gather->last = &guest->next;
    while (guest->state == GUEST_WAITS && in_time)
        in_time = condition_wait(&guest->called, &gather->lock, until);
    while (guest->state == GUEST_INVITED)
        (void)pthread_cond_wait(&guest->called, &gather->lock);
    if (guest->state == GUEST_WAITS)
        leave_queue(gather, guest);
}

/* ---- for all ---- */

enum gather_part gather_enter(struct gather *gather, struct gather_guest *guest, int64_t wait_ms)
{
    condition_init(&guest->called);
    pthread_mutex_lock(&gather->lock);
    if (may_lead(gather, guest))
        make_leader(gather, guest);
    else
        wait_in_queue(gather, guest, wait_ms);
    if (guest->state == GUEST_LEADS)
        invite(gather, guest);

    const int state = guest->state;

    pthread_mutex_unlock(&gather->lock);
    if (state == GUEST_LEADS)
        return GATHER_LEADS;
    pthread_cond_destroy(&guest->called);
    return state == GUEST_SERVED ? GATHER_SERVED : GATHER_LATE;
}

void gather_leave(struct gather *gather, struct gather_guest *leader)
{
    struct gather_guest **link = &gather->busy, *heir;

    pthread_mutex_lock(&gather->lock);
    for (struct gather_guest *guest = leader->next, *next; guest != NULL; guest = next) {
        next = guest->next;
        guest->state = GUEST_SERVED;
        pthread_cond_signal(&guest->called);
    }
    while (*link != leader)
        link = &(*link)->busy_next;
    *link = leader->busy_next;
    for (heir = gather->first; heir != NULL && !are_alike(gather, heir, leader);)
        heir = heir->next;
    if (heir != NULL) {
        leave_queue(gather, heir);
        make_leader(gather, heir);
        pthread_cond_signal(&heir->called);
    }
    pthread_mutex_unlock(&gather->lock);
    pthread_cond_destroy(&leader->called);
}

size_t gather_waiting(struct gather *gather)
{
    size_t count = 0;

    pthread_mutex_lock(&gather->lock);
    for (const struct gather_guest *guest = gather->first; guest != NULL; guest = guest->next)
        count++;
    pthread_mutex_unlock(&gather->lock);
    return count;
}
