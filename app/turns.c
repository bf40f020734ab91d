/* Taking turns. */
#include "app/turns.h"

#include "app/clock.h"
#include "app/condition.h"

#define OF_A_TENANT (TURNS_THREADS / 2)

/* ---- life ---- */

void turns_init(struct turns *turns)
{
    pthread_mutex_init(&turns->lock, NULL);
    condition_init(&turns->news);
}

void turns_destroy(struct turns *turns)
{
    pthread_cond_destroy(&turns->news);
    pthread_mutex_destroy(&turns->lock);
}

bool turns_start(struct turns *turns, void *(*run)(void *), void *arg)
{
    if (pthread_create(&turns->threads[turns->started], NULL, run, arg) != 0)
        return false;
    turns->started++;
    return true;
}

void turns_stop(struct turns *turns)
{
    pthread_mutex_lock(&turns->lock);
    turns->stopping = true;
    pthread_cond_broadcast(&turns->news);
    pthread_mutex_unlock(&turns->lock);
}

void turns_join(struct turns *turns)
{
    for (size_t i = 0; i < turns->started; i++)
        pthread_join(turns->threads[i], NULL);
}

void turns_wake(struct turns *turns)
{
    pthread_mutex_lock(&turns->lock);
    turns->woken = true;
    turns->look_at = 0;
    pthread_cond_signal(&turns->news);
    pthread_mutex_unlock(&turns->lock);
}

/* ---- who looks ---- */

bool turns_wait(struct turns *turns)
{
    while (!turns->stopping) {
        if (!turns->looking && clock_monotonic_ms() >= turns->look_at)
            return true;
        if (turns->looking)
            (void)pthread_cond_wait(&turns->news, &turns->lock);
        else
            (void)condition_wait(&turns->news, &turns->lock, turns->look_at);
    }
    return false;
}

static size_t list_busy(const struct turns *turns, struct uuid busy[TURNS_THREADS])
{
    size_t count = 0;

    for (size_t i = 0; i < TURNS_THREADS; i++) {
        const struct uuid *id = &turns->tenants[i];
        size_t before = 0;

        for (size_t j = 0; j < i; j++)
            before += uuid_equal(id, &turns->tenants[j]);
        if (!uuid_is_zero(id) && before == OF_A_TENANT - 1)
            busy[count++] = *id;
    }
    return count;
}

size_t turns_look(struct turns *turns, struct uuid busy[TURNS_THREADS])
{
    const size_t count = list_busy(turns, busy);

    turns->looking = true;
    turns->woken = false;
    pthread_mutex_unlock(&turns->lock);
    return count;
}

bool turns_looked(struct turns *turns, size_t thread, const struct uuid *tenant_id)
{
    bool rests;

    pthread_mutex_lock(&turns->lock);
    turns->looking = false;
    rests = tenant_id == NULL && !turns->woken;
    if (tenant_id != NULL)
        turns->tenants[thread] = *tenant_id;
    if (rests)
        turns->look_at = clock_monotonic_ms() + TURNS_LOOK_MS;
    pthread_cond_signal(&turns->news);
    return rests;
}

void turns_done(struct turns *turns, size_t thread)
{
    turns->tenants[thread] = (struct uuid){0};
    turns->look_at = 0;
}
