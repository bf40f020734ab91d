/*
 * The writer thread: takes all rows that wait, numbers and seals them, inserts them with one
 * command on a client of its own, and wakes those who wait. While it writes, the next batch
 * gathers. Also keeps the numbers that await filling.
 */
#include "models/audit_writer.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "app/app.h"
#include "app/clock.h"
#include "app/condition.h"
#include "app/config.h"
#include "app/db.h"
#include "app/log.h"
#include "app/metrics.h"
#include "app/secret.h"

#define BATCH_MAX     256
#define FILL_MAX      64 /* holes filled along with one batch */
#define HOLES_MAX     1024
#define FILL_AGAIN_MS 1000
#define BATCH_ARENA   ((size_t)4 * 1024 * 1024)
#define ACTION_SIZE   65

enum waiter_state { WAITER_UNSET = 0, WAITER_QUEUED, WAITER_WRITING, WAITER_DONE };

/* A request that waits; lives on its stack. The writer touches it only while it is not done. */
struct waiter {
    struct waiter *next;
    struct audit_row *row;
    enum waiter_state state;
    enum err result;
    pthread_cond_t done;
};

/* A number without a row that is known to be stored, and what its row said. */
struct hole {
    int64_t n;
    bool free; /* certainly not stored: may be used again */
    struct uuid audit_id, tenant_id, user_id;
    int64_t timestamp, purge_at;
    char action[ACTION_SIZE];
};

struct batch {
    struct ctx *ctx;
    struct waiter *waiters[BATCH_MAX];
    size_t waiter_count;
    struct hole fills[FILL_MAX];
    size_t fill_count;
    struct audit_row rows[BATCH_MAX + FILL_MAX]; /* of the waiters, then of the fills */
    uint8_t macs[BATCH_MAX + FILL_MAX][AUDIT_MAC_SIZE];
    bool refused[BATCH_MAX + FILL_MAX];
};

struct audit_writer {
    struct app *app;
    uint8_t key[SECRET_KEY_SIZE];
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct waiter *first, *last;
    bool stop;
    int64_t last_number;
    size_t hole_count;
    struct hole holes[HOLES_MAX];
    struct batch batch; /* the writer thread's; kept, since it is too large to clear each time */
};

/* --- numbers; the lock is held --- */

static int64_t take_number(struct audit_writer *writer)
{
    for (size_t i = 0; i < writer->hole_count; i++) {
        if (writer->holes[i].free) {
            int64_t n = writer->holes[i].n;

            writer->holes[i] = writer->holes[--writer->hole_count];
            return n;
        }
    }
    return ++writer->last_number;
}

static void add_hole(struct audit_writer *writer, const struct hole *hole)
{
    if (writer->hole_count < HOLES_MAX)
        writer->holes[writer->hole_count++] = *hole;
    else
        log_event(LOG_ERROR, "audit.gap", "action", hole->action, NULL);
}

static bool has_fills(const struct audit_writer *writer)
{
    for (size_t i = 0; i < writer->hole_count; i++) {
        if (!writer->holes[i].free)
            return true;
    }
    return false;
}

static size_t take_fills(struct audit_writer *writer, struct hole *ret_fills)
{
    size_t count = 0;

    for (size_t i = 0; i < writer->hole_count && count < FILL_MAX;) {
        if (writer->holes[i].free) {
            i++;
            continue;
        }
        ret_fills[count++] = writer->holes[i];
        writer->holes[i] = writer->holes[--writer->hole_count];
    }
    return count;
}

static struct hole hole_of(const struct audit_row *row, bool free)
{
    struct hole hole = {.n = row->n,
                        .free = free,
                        .audit_id = row->audit_id,
                        .tenant_id = row->tenant_id,
                        .user_id = row->user_id,
                        .timestamp = row->timestamp,
                        .purge_at = row->purge_at};
    size_t length = strnlen(row->action, ACTION_SIZE - 1);

    memcpy(hole.action, row->action, length);
    return hole;
}

/* --- one batch --- */

static struct audit_row row_of(const struct hole *hole)
{
    return (struct audit_row){.n = hole->n,
                              .audit_id = hole->audit_id,
                              .tenant_id = hole->tenant_id,
                              .user_id = hole->user_id,
                              .timestamp = hole->timestamp,
                              .purge_at = hole->purge_at,
                              .action = hole->action,
                              .status = "failed",
                              .reason = "not_committed"};
}

static void take_batch(struct audit_writer *writer, struct batch *batch)
{
    while (writer->first != NULL && batch->waiter_count < BATCH_MAX) {
        struct waiter *waiter = writer->first;

        writer->first = waiter->next;
        waiter->state = WAITER_WRITING;
        waiter->row->n = take_number(writer);
        batch->rows[batch->waiter_count] = *waiter->row;
        batch->waiters[batch->waiter_count++] = waiter;
    }
    if (writer->first == NULL)
        writer->last = NULL;
    batch->fill_count = take_fills(writer, batch->fills);
    for (size_t i = 0; i < batch->fill_count; i++)
        batch->rows[batch->waiter_count + i] = row_of(&batch->fills[i]);
}

static enum err insert_batch(struct audit_writer *writer, struct batch *batch)
{
    struct list rows = {.items = batch->rows, .count = batch->waiter_count + batch->fill_count};

    for (size_t i = 0; i < rows.count; i++) {
        struct audit_row *row = &batch->rows[i];

        row->writer = writer->app->instance_id;
        TRY(audit_mac(batch->ctx, writer->key, row, batch->macs[i]));
        row->mac = (struct bytes){.data = batch->macs[i], .size = AUDIT_MAC_SIZE};
    }
    return db_insert_batch_any_tenant(batch->ctx, &audit_schema, &rows, batch->refused);
}

static void wake(struct waiter *waiter, enum err result)
{
    waiter->result = result;
    waiter->state = WAITER_DONE;
    (void)pthread_cond_signal(&waiter->done);
}

/* What happened to the rows, and what that means for their numbers. */
static void settle_batch(struct audit_writer *writer, struct batch *batch, enum err err)
{
    bool unknown = err != ERR_OK && db_outcome_unknown(batch->ctx);

    for (size_t i = 0; i < batch->waiter_count; i++) {
        bool stored = err == ERR_OK && !batch->refused[i];
        struct hole hole = hole_of(&batch->rows[i], !unknown);

        if (!stored)
            add_hole(writer, &hole);
        wake(batch->waiters[i], stored ? ERR_OK : err != ERR_OK ? err : ERR_INTERNAL);
    }
    for (size_t i = 0; i < batch->fill_count; i++) {
        if (err != ERR_OK || batch->refused[batch->waiter_count + i])
            add_hole(writer, &batch->fills[i]);
    }
}

/* Nobody waits for an absent database to be asked once more. */
static void fail_queue(struct audit_writer *writer)
{
    while (writer->first != NULL) {
        struct waiter *waiter = writer->first;

        writer->first = waiter->next;
        wake(waiter, ERR_DB_UNAVAILABLE);
    }
    writer->last = NULL;
}

/* The lock is held on entry and on return, not while the database is asked. */
static void write_batch(struct audit_writer *writer, struct arena *arena)
{
    struct batch *batch = &writer->batch;
    struct ctx ctx;

    ctx_init(&ctx, writer->app, arena);
    batch->ctx = &ctx;
    batch->waiter_count = batch->fill_count = 0;
    take_batch(writer, batch);
    (void)pthread_mutex_unlock(&writer->lock);
    enum err err = insert_batch(writer, batch);
    if (err == ERR_OK && writer->app->metrics != NULL) {
        metric_add(writer->app->metrics, METRIC_AUDIT_BATCHES, 1);
        metric_add(writer->app->metrics, METRIC_AUDIT_ROWS, (int64_t)batch->waiter_count);
    } else if (err != ERR_OK) {
        log_event(LOG_WARN, "audit.batch_failed", "reason", ctx.failure.internal, NULL);
    }
    (void)pthread_mutex_lock(&writer->lock);
    settle_batch(writer, batch, err);
    if (err == ERR_DB_UNAVAILABLE)
        fail_queue(writer);
    ctx_clear(&ctx);
    arena_reset(arena);
}

/* --- the thread --- */

/* Until there is something to write: rows, or numbers whose last try to fill them is a while ago.
 */
static void wait_for_work(struct audit_writer *writer)
{
    const int64_t until = clock_monotonic_ms() + FILL_AGAIN_MS;

    while (!writer->stop && writer->first == NULL) {
        if (!has_fills(writer))
            (void)pthread_cond_wait(&writer->wake, &writer->lock);
        else if (!condition_wait(&writer->wake, &writer->lock, until))
            return;
    }
}

/* Nobody will use the free numbers any more: rows say what they were taken for. */
static void fill_all(struct audit_writer *writer, struct arena *arena)
{
    for (size_t i = 0; i < writer->hole_count; i++)
        writer->holes[i].free = false;
    for (size_t before = writer->hole_count; before > 0; before = writer->hole_count) {
        write_batch(writer, arena);
        if (writer->hole_count >= before)
            return;
    }
}

static void *run(void *arg)
{
    struct audit_writer *writer = arg;
    struct arena arena;

    arena_init(&arena, BATCH_ARENA);
    (void)pthread_mutex_lock(&writer->lock);
    while (!writer->stop || writer->first != NULL) {
        wait_for_work(writer);
        if (writer->first != NULL || has_fills(writer))
            write_batch(writer, &arena);
    }
    fill_all(writer, &arena);
    (void)pthread_mutex_unlock(&writer->lock);
    arena_clear(&arena);
    return NULL;
}

enum err audit_writer_start(struct app *app, struct audit_writer **ret_writer)
{
    struct audit_writer *writer = calloc(1, sizeof *writer);

    if (writer == NULL)
        return ERR_MEMORY;
    writer->app = app;
    secret_derive(app_config(app)->master_key_bytes, "audit", writer->key);
    (void)pthread_mutex_init(&writer->lock, NULL);
    condition_init(&writer->wake);
    if (pthread_create(&writer->thread, NULL, run, writer) != 0) {
        free(writer);
        return ERR_MEMORY;
    }
    *ret_writer = writer;
    return ERR_OK;
}

void audit_writer_stop(struct audit_writer *writer)
{
    if (writer == NULL)
        return;
    (void)pthread_mutex_lock(&writer->lock);
    writer->stop = true;
    (void)pthread_cond_signal(&writer->wake);
    (void)pthread_mutex_unlock(&writer->lock);
    (void)pthread_join(writer->thread, NULL);
    if (writer->hole_count > 0)
        log_event(LOG_ERROR, "audit.gap", "action", writer->holes[0].action, NULL);
    (void)pthread_cond_destroy(&writer->wake);
    (void)pthread_mutex_destroy(&writer->lock);
    secret_wipe(writer->key, sizeof writer->key);
    free(writer);
}

/* --- the requests' side --- */

static void enqueue(struct audit_writer *writer, struct waiter *waiter)
{
    waiter->state = WAITER_QUEUED;
    if (writer->last != NULL)
        writer->last->next = waiter;
    else
        writer->first = waiter;
    writer->last = waiter;
    (void)pthread_cond_signal(&writer->wake);
}

static void leave_queue(struct audit_writer *writer, const struct waiter *waiter)
{
    struct waiter **link = &writer->first, *before = NULL;

    while (*link != waiter) {
        before = *link;
        link = &before->next;
    }
    *link = waiter->next;
    if (writer->last == waiter)
        writer->last = before;
}

enum err audit_writer_commit(struct audit_writer *writer, struct ctx *ctx, struct audit_row *row)
{
    struct waiter waiter = {.row = row, .result = ERR_DB_UNAVAILABLE};
    const int64_t until = clock_monotonic_ms() + ctx_remaining(ctx, db_answer_ms(ctx->app->db));
    bool in_time = true;

    condition_init(&waiter.done);
    (void)pthread_mutex_lock(&writer->lock);
    if (!writer->stop) {
        enqueue(writer, &waiter);
        while (waiter.state == WAITER_QUEUED && in_time)
            in_time = condition_wait(&waiter.done, &writer->lock, until);
        if (waiter.state == WAITER_QUEUED)
            leave_queue(writer, &waiter);
        /* A row in the writer's hands must be waited for; the driver's time-outs bound that. */
        while (waiter.state == WAITER_WRITING)
            (void)pthread_cond_wait(&waiter.done, &writer->lock);
    }
    (void)pthread_mutex_unlock(&writer->lock);
    (void)pthread_cond_destroy(&waiter.done);
    if (waiter.result != ERR_OK)
        return fail_internal(ctx, waiter.result, "the audit row (%s) was not written", row->action);
    return ERR_OK;
}

/* --- rows within transactions --- */

struct reservation {
    struct audit_writer *writer;
    struct hole hole;
};

static void settle_reservation(void *arg, enum db_end end)
{
    struct reservation *reservation = arg;
    struct audit_writer *writer = reservation->writer;

    if (end == DB_COMMITTED)
        return;
    reservation->hole.free = end == DB_ABORTED;
    (void)pthread_mutex_lock(&writer->lock);
    add_hole(writer, &reservation->hole);
    (void)pthread_cond_signal(&writer->wake);
    (void)pthread_mutex_unlock(&writer->lock);
}

enum err audit_writer_number(struct audit_writer *writer, struct ctx *ctx, struct audit_row *row)
{
    struct reservation *reservation = ARENA_NEW(ctx->arena, struct reservation);
    uint8_t *mac = arena_alloc(ctx->arena, AUDIT_MAC_SIZE);

    if (reservation == NULL || mac == NULL)
        return fail_internal(ctx, ERR_MEMORY, "an audit row");
    (void)pthread_mutex_lock(&writer->lock);
    row->n = take_number(writer);
    (void)pthread_mutex_unlock(&writer->lock);
    reservation->writer = writer;
    reservation->hole = hole_of(row, true);
    if (!db_on_settled(ctx, settle_reservation, reservation)) {
        settle_reservation(reservation, DB_ABORTED);
        return fail_internal(ctx, ERR_MEMORY, "an audit row");
    }
    row->writer = writer->app->instance_id;
    TRY(audit_mac(ctx, writer->key, row, mac));
    row->mac = (struct bytes){.data = mac, .size = AUDIT_MAC_SIZE};
    return ERR_OK;
}
