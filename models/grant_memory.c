/* A small table of unanswered rotations and the thread that marks them on their grants. */
#include "models/grant_memory.h"

#include <pthread.h>
#include <stdlib.h>

#include "app/app.h"
#include "app/clock.h"
#include "app/condition.h"
#include "app/db.h"
#include "models/grant.h"

#define CAPACITY    4096
#define KEEP_MS     600000
#define RETRY_MS    250
#define ARENA_LIMIT ((size_t)256 * 1024)

struct note {
    struct uuid grant_id, tenant_id;
    uint32_t generation;
    bool marking; /* the marking thread is at it; the lock is not held meanwhile */
    bool marked;  /* the grant in the database says so too */
    int64_t noted_ms;
};

struct grant_memory {
    struct app *app;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    pthread_cond_t settled; /* a note is no longer being marked */
    bool stopping;
    size_t count;
    struct note notes[CAPACITY];
};

static void forget(struct grant_memory *memory, size_t index)
{
    memory->notes[index] = memory->notes[--memory->count];
}

/* The index of a note, count when there is none; under the lock. */
static size_t find_note(const struct grant_memory *memory, const struct uuid *grant_id,
                        uint32_t generation)
{
    size_t i = 0;

    while (i < memory->count && (memory->notes[i].generation != generation ||
                                 !uuid_equal(&memory->notes[i].grant_id, grant_id)))
        i++;
    return i;
}

/* Several tries of one generation without an answer are one note: it permits one more. */
void grant_memory_note(struct ctx *ctx, const struct uuid *grant_id, uint32_t generation)
{
    struct grant_memory *memory = ctx->app->grant_memory;

    if (memory == NULL)
        return;
    pthread_mutex_lock(&memory->mutex);

    size_t at = find_note(memory, grant_id, generation);

    if (at == CAPACITY) {
        forget(memory, 0);
        at = memory->count;
    }
    if (at == memory->count)
        memory->notes[memory->count++] = (struct note){
            .grant_id = *grant_id, .tenant_id = ctx->tenant_id, .generation = generation};
    memory->notes[at].noted_ms = clock_monotonic_ms();
    if (!memory->notes[at].marking)
        memory->notes[at].marked = false;
    pthread_cond_signal(&memory->changed);
    pthread_mutex_unlock(&memory->mutex);
}

static bool take_note(struct grant_memory *memory, const struct uuid *grant_id, uint32_t generation)
{
    pthread_mutex_lock(&memory->mutex);

    size_t at = find_note(memory, grant_id, generation);

    /* A mark that lands after the note was taken would permit one more try. */
    while (at < memory->count && memory->notes[at].marking) {
        pthread_cond_wait(&memory->settled, &memory->mutex);
        at = find_note(memory, grant_id, generation);
    }

    const bool found = at < memory->count;

    if (found)
        forget(memory, at);
    pthread_mutex_unlock(&memory->mutex);
    return found;
}

/* $set or $unset of the mark; matches only while the grant stands one generation further. */
static enum err change_mark(struct ctx *ctx, const struct uuid *grant_id, uint32_t generation,
                            bool set)
{
    AUTO(bson_destroy) bson_t *filter = bson_new();
    AUTO(bson_destroy)
    bson_t *update =
        BCON_NEW(set ? "$set" : "$unset", "{", "retry_generation", BCON_INT64(generation), "}");

    bson_put_uuid(filter, "_id", grant_id);
    bson_put_int(filter, "generation", (int64_t)generation + 1);
    if (!set)
        bson_put_int(filter, "retry_generation", generation);
    return db_update_one(ctx, &grant_schema, filter, update);
}

void grant_memory_forget(struct ctx *ctx, const struct uuid *grant_id, uint32_t generation)
{
    const struct failure failure = ctx->failure;

    if (ctx->app->grant_memory == NULL || !take_note(ctx->app->grant_memory, grant_id, generation))
        return;
    if (change_mark(ctx, grant_id, generation, false) != ERR_OK)
        ctx->failure = failure;
}

bool grant_memory_take(struct ctx *ctx, const struct uuid *grant_id, uint32_t generation)
{
    const bool noted =
        ctx->app->grant_memory != NULL && take_note(ctx->app->grant_memory, grant_id, generation);

    return change_mark(ctx, grant_id, generation, false) == ERR_OK || noted;
}

/* The first note that is not marked yet; old ones are dropped on the way. */
static bool next_unmarked(struct grant_memory *memory, struct note *ret_note)
{
    const int64_t now = clock_monotonic_ms();

    for (size_t i = 0; i < memory->count;) {
        if (now - memory->notes[i].noted_ms > KEEP_MS) {
            forget(memory, i);
            continue;
        }
        if (!memory->notes[i].marked) {
            memory->notes[i].marking = true;
            *ret_note = memory->notes[i];
            return true;
        }
        i++;
    }
    return false;
}

static void end_marking(struct grant_memory *memory, const struct note *note, bool done)
{
    const size_t at = find_note(memory, &note->grant_id, note->generation);

    if (at < memory->count) {
        memory->notes[at].marking = false;
        memory->notes[at].marked = done;
    }
    pthread_cond_broadcast(&memory->settled);
}

/* ERR_NOT_FOUND is final too: the rotation never happened, or the client has gone on. */
static bool mark(struct grant_memory *memory, struct arena *arena, const struct note *note)
{
    struct ctx ctx;

    ctx_init(&ctx, memory->app, arena);
    ctx.tenant_id = note->tenant_id;
    ctx.deadline = clock_monotonic_ms() + 2000;

    const enum err marked = change_mark(&ctx, &note->grant_id, note->generation, true);

    ctx_clear(&ctx);
    arena_reset(arena);
    return marked == ERR_OK || marked == ERR_NOT_FOUND;
}

static void pause_locked(struct grant_memory *memory, bool idle)
{
    if (idle) {
        pthread_cond_wait(&memory->changed, &memory->mutex);
        return;
    }
    (void)condition_wait(&memory->changed, &memory->mutex, clock_monotonic_ms() + RETRY_MS);
}

static void *run(void *arg)
{
    struct grant_memory *memory = arg;
    struct arena arena;

    arena_init(&arena, ARENA_LIMIT);
    pthread_mutex_lock(&memory->mutex);
    while (!memory->stopping) {
        struct note note;
        const bool found = next_unmarked(memory, &note);
        bool done = false;

        if (found) {
            pthread_mutex_unlock(&memory->mutex);
            done = mark(memory, &arena, &note);
            pthread_mutex_lock(&memory->mutex);
            end_marking(memory, &note, done);
        }
        if (!done && !memory->stopping)
            pause_locked(memory, !found);
    }
    pthread_mutex_unlock(&memory->mutex);
    arena_clear(&arena);
    return NULL;
}

enum err grant_memory_start(struct app *app, struct grant_memory **ret_memory)
{
    struct grant_memory *memory = calloc(1, sizeof *memory);

    if (memory == NULL)
        return ERR_MEMORY;
    memory->app = app;
    pthread_mutex_init(&memory->mutex, NULL);
    condition_init(&memory->changed);
    pthread_cond_init(&memory->settled, NULL);
    if (pthread_create(&memory->thread, NULL, run, memory) != 0) {
        free(memory);
        return ERR_MEMORY;
    }
    *ret_memory = memory;
    return ERR_OK;
}

void grant_memory_stop(struct grant_memory *memory)
{
    if (memory == NULL)
        return;
    pthread_mutex_lock(&memory->mutex);
    memory->stopping = true;
    pthread_cond_signal(&memory->changed);
    pthread_mutex_unlock(&memory->mutex);
    (void)pthread_join(memory->thread, NULL);
    pthread_cond_destroy(&memory->changed);
    pthread_cond_destroy(&memory->settled);
    pthread_mutex_destroy(&memory->mutex);
    free(memory);
}
