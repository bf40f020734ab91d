/*
 * Work of one kind that comes in while the same kind is under way is done all at once, by the first
 * of those who wait: nobody waits who is alone, and the more there are, the more share one trip to
 * the database. No lock is held while the work is done. Any thread.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "app/error.h"

#define GATHER_MOST 64 /* guests of a party */

struct gather;

/* One of them, on the stack of its thread, which blocks until its party is over. */
struct gather_guest {
    void *work;
    /* Of a leader: the next of its party, whose work it does with its own. */
    struct gather_guest *next;
    /* Of gather.c, under its lock. */
    int state;
    struct gather_guest *busy_next;
    pthread_cond_t called;
};

enum gather_part {
    GATHER_LEADS = 1, /* does the work of guest and all behind next, then gather_leave */
    GATHER_SERVED,    /* another has done it */
    GATHER_LATE,      /* the time was over before it was its turn: nothing was done */
};

/* are_alike: whether two works may be done as one. */
typedef bool (*gather_alike_fn)(const void *work, const void *other);
CHECKED enum err gather_new(gather_alike_fn are_alike, struct gather **ret_gather);
/* Nobody is in it any more. */
void gather_free(struct gather *gather);
/* guest: work set, all else zero. Waits for its turn at most so many milliseconds; who is
 * another's guest by then waits for that one's end. */
enum gather_part gather_enter(struct gather *gather, struct gather_guest *guest, int64_t wait_ms);
/* How many wait for their turn now. */
size_t gather_waiting(struct gather *gather);
/* The leader's work is done: its guests go on, and the next leader begins. */
void gather_leave(struct gather *gather, struct gather_guest *leader);
