/*
 * The threads that take work of tenants out of the database (outbox, background jobs): one of them
 * at a time looks for something, every second and whenever there is news, and no tenant has more
 * than half of them. turns_wait, turns_look and turns_done are called with the lock, all else
 * without.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "app/uuid.h"

#define TURNS_THREADS 4
#define TURNS_LOOK_MS 1000 /* for what other instances left, and for what is due again */

struct turns {
    pthread_mutex_t lock;
    pthread_cond_t news;
    /* Under lock. */
    bool stopping;
    bool looking;                       /* a thread is asking the database */
    bool woken;                         /* something came while it did */
    int64_t look_at;                    /* monotonic ms */
    struct uuid tenants[TURNS_THREADS]; /* whose work each thread has, or zero */
    pthread_t threads[TURNS_THREADS];
    size_t started;
};

void turns_init(struct turns *turns);
void turns_destroy(struct turns *turns);
/* The next thread, in order from 0. */
bool turns_start(struct turns *turns, void *(*run)(void *), void *arg);
/* Tells all to end; turns_join waits for them. */
void turns_stop(struct turns *turns);
void turns_join(struct turns *turns);
/* There is something new. Any thread. */
void turns_wake(struct turns *turns);

/* Until there is something to look for, or the end; false for that. */
bool turns_wait(struct turns *turns);
/* This thread looks: gives the lock back. busy: the tenants that have their share. */
size_t turns_look(struct turns *turns, struct uuid busy[TURNS_THREADS]);
/* It has looked: takes the lock, and lets the next one look. tenant_id: of what it found, or NULL.
 * True when there is nothing, and all rest until look_at. */
bool turns_looked(struct turns *turns, size_t thread, const struct uuid *tenant_id);
/* It is done with that: what waited for the tenant's share may go on. */
void turns_done(struct turns *turns, size_t thread);
