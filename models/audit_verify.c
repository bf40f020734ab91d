/* Walking the audit log: one batch at a time, and what is known of the current writer. */
#include "models/audit_verify.h"

#include <string.h>

#include "app/app.h"
#include "app/clock.h"
#include "app/config.h"
#include "app/db.h"
#include "app/secret.h"
#include "models/audit.h"
#include "models/audit_writer.h"

#define SOME_ROWS  500
#define SOME_BYTES ((size_t)16 * 1024 * 1024) /* a document may be large */
#define PENDING_MS 60000
#define DAY_MS     (INT64_C(24) * 3600 * 1000)

struct walk {
    const struct audit_verify *how;
    struct audit_verdict *verdict;
    uint8_t key[SECRET_KEY_SIZE];
    int64_t now;
    struct arena scratch; /* of some rows */
    /* Where the walk is: */
    struct uuid writer;
    bool begun, has_good; /* a row was seen; a good one of this writer */
    int64_t next;         /* the number that this writer's next row must have */
    int64_t bad;          /* untrusted numbers since then, each counted once … */
    int64_t last_bad;     /* … because they come in order */
};

int64_t audit_retention_ms(const struct ctx *ctx)
{
    static const enum plan plans[] = {PLAN_FREE, PLAN_BASIC, PLAN_PREMIUM, PLAN_ENTERPRISE};
    int64_t least = INT64_MAX;

    for (size_t i = 0; i < sizeof plans / sizeof plans[0]; i++) {
        const int64_t days = config_plan_of(app_config(ctx->app), plans[i])->audit_days;

        if (days > 0 && days * DAY_MS < least)
            least = days * DAY_MS;
    }
    return least;
}

/* --- what was found --- */

static void tell_row(struct walk *walk, enum audit_flaw flaw, const struct audit_row *row)
{
    const struct audit_finding finding = {.flaw = flaw,
                                          .writer = row->writer,
                                          .first = row->n,
                                          .last = row->n,
                                          .audit_id = row->audit_id};

    if (flaw == AUDIT_ALTERED)
        walk->verdict->altered++;
    else
        walk->verdict->inserted++;
    walk->how->found(&finding, walk->how->arg);
}

/* The numbers from walk->next up to the row's, which is good, have no row; bad rows may be some. */
static void judge_gap(struct walk *walk, const struct audit_row *row)
{
    const int64_t count = row->n - walk->next - walk->bad;
    const struct audit_finding finding = {.flaw = AUDIT_MISSING,
                                          .writer = row->writer,
                                          .first = walk->next,
                                          .last = row->n - 1,
                                          .before = row->timestamp};

    if (count <= 0)
        return;
    if (walk->how->retention_ms < walk->now &&
        row->timestamp < walk->now - walk->how->retention_ms) {
        walk->verdict->expired += count;
        return;
    }
    if (row->timestamp > walk->now - PENDING_MS) {
        walk->verdict->pending += count;
        return;
    }
    walk->verdict->missing += count;
    walk->how->found(&finding, walk->how->arg);
}

/* --- one row --- */

static void meet_writer(struct walk *walk, const struct audit_row *row)
{
    if (walk->begun && uuid_equal(&walk->writer, &row->writer))
        return;
    walk->verdict->writers++;
    walk->writer = row->writer;
    walk->begun = true;
    walk->has_good = false;
    walk->next = 1;
    walk->bad = walk->last_bad = 0;
}

static enum err is_genuine(struct ctx *ctx, const struct walk *walk, const struct audit_row *row,
                           bool *ret_genuine)
{
    uint8_t mac[AUDIT_MAC_SIZE];

    TRY(audit_mac(ctx, walk->key, row, mac));
    *ret_genuine =
        row->n > 0 && row->mac.size == sizeof mac && secret_equal(mac, row->mac.data, sizeof mac);
    return ERR_OK;
}

/* A row that nobody can vouch for: its number counts as taken, but says nothing about others. */
static void judge_bad_row(struct walk *walk, const struct audit_row *row)
{
    const bool is_double = walk->has_good && row->n == walk->next - 1;

    tell_row(walk, is_double ? AUDIT_INSERTED : AUDIT_ALTERED, row);
    if (row->n < walk->next || row->n == walk->last_bad)
        return;
    walk->bad++;
    walk->last_bad = row->n;
}

static void judge_good_row(struct walk *walk, const struct audit_row *row)
{
    walk->has_good = true;
    if (row->n < walk->next) {
        tell_row(walk, AUDIT_INSERTED, row);
        return;
    }
    if (row->n == walk->last_bad)
        walk->bad--;
    judge_gap(walk, row);
    walk->next = row->n + 1;
    walk->bad = walk->last_bad = 0;
}

/* What the index sorted by, whatever else the document holds. */
static void read_place(const bson_t *doc, struct audit_row *row)
{
    bson_subtype_t subtype;
    const uint8_t *data = NULL;
    uint32_t size = 0;
    bson_iter_t it;

    if (bson_iter_init_find(&it, doc, "writer") && BSON_ITER_HOLDS_BINARY(&it)) {
        bson_iter_binary(&it, &subtype, &size, &data);
        if (size == sizeof row->writer.bytes)
            memcpy(row->writer.bytes, data, size);
    }
    if (bson_iter_init_find(&it, doc, "_id") && BSON_ITER_HOLDS_BINARY(&it)) {
        bson_iter_binary(&it, &subtype, &size, &data);
        if (size == sizeof row->audit_id.bytes)
            memcpy(row->audit_id.bytes, data, size);
    }
    row->n = bson_iter_init_find(&it, doc, "n") ? bson_iter_as_int64(&it) : 0;
}

static enum err judge(struct ctx *ctx, const bson_t *doc, void *arg)
{
    struct walk *walk = arg;
    struct ctx own = *ctx;
    struct audit_row row = {0};
    bool genuine = false;

    own.arena = &walk->scratch;
    if (schema_from_bson(&own, &audit_schema, doc, &row) == ERR_OK) {
        TRY(is_genuine(&own, walk, &row, &genuine));
    } else {
        row = (struct audit_row){0};
        read_place(doc, &row);
    }
    meet_writer(walk, &row);
    if (genuine)
        judge_good_row(walk, &row);
    else
        judge_bad_row(walk, &row);
    if (++walk->verdict->rows % SOME_ROWS == 0) {
        arena_reset(&walk->scratch);
        if (walk->how->progress != NULL)
            walk->how->progress(walk->verdict->rows, walk->how->arg);
    }
    return ERR_OK;
}

enum err audit_verify(struct ctx *ctx, const struct audit_verify *how,
                      struct audit_verdict *ret_verdict)
{
    AUTO(bson_destroy) bson_t *sort = BCON_NEW("writer", BCON_INT32(1), "n", BCON_INT32(1));
    struct walk walk = {.how = how, .verdict = ret_verdict, .now = clock_now_ms()};

    *ret_verdict = (struct audit_verdict){0};
    secret_derive(app_config(ctx->app)->master_key_bytes, "audit", walk.key);
    arena_init(&walk.scratch, SOME_BYTES);

    const enum err err = db_walk_any_tenant(ctx, &audit_schema, sort, judge, &walk);

    arena_clear(&walk.scratch);
    secret_wipe(walk.key, sizeof walk.key);
    return err;
}
