/*
 * Rotations whose answer never left: the database stalled after (or while) the generation was
 * raised, so the client still holds the old token. They are remembered here and marked on the grant
 * as soon as the database answers, so that its retry is served once, on any instance, instead of
 * counting as theft. Bounded; own thread.
 */
#pragma once

#include "app/ctx.h"

struct grant_memory;

CHECKED enum err grant_memory_start(struct app *app, struct grant_memory **ret_memory);
void grant_memory_stop(struct grant_memory *memory);

/* Remembers that generation of the grant was spent without an answer. */
void grant_memory_note(struct ctx *ctx, const struct uuid *grant_id, uint32_t generation);
/* The generation was spent with an answer after all: no further try of it is a permitted one. */
void grant_memory_forget(struct ctx *ctx, const struct uuid *grant_id, uint32_t generation);
/* True once for what was noted on this instance or marked on the grant by any. */
bool grant_memory_take(struct ctx *ctx, const struct uuid *grant_id, uint32_t generation);
