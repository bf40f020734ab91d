/* Claiming, waiting, committing and releasing; the sealed form of answers is in
 * idempotency_answer.c. */
#include "models/idempotency.h"

#include <string.h>
#include <time.h>

#include "app/app.h"
#include "app/buf.h"
#include "app/clock.h"
#include "app/db.h"
#include "app/seats.h"
#include "app/secret.h"
#include "models/idempotency_answer.h"

#define KEPT_MS      (INT64_C(24) * 3600 * 1000)
#define LEASE_MAX_MS 30000
#define WAIT_MS      2000
#define POLL_MAX_MS  200
#define ID_LENGTH    (UUID_HEX_SIZE + BASE64URL_LENGTH(SHA256_SIZE))

struct record {
    const char *id; /* "<tenant hex>:<keyed hash of tenant, caller, route and key>" */
    struct uuid tenant_id;
    struct bytes fingerprint; /* keyed hash of query and body */
    struct uuid attempt;      /* who executes */
    struct uuid object_id;
    const char *state;   /* pending; done: answer is there; executed: it is not */
    int64_t lease_until; /* pending: who comes later may take over */
    int64_t created_at, expires_at;
    struct bytes answer;
};

struct idempotency {
    struct record record;
    struct uuid attempt; /* ours */
    uint8_t fingerprint[SECRET_MAC_SIZE];
    uint8_t key[SECRET_KEY_SIZE]; /* seals the answer */
};

/* clang-format off */
static const char *const states[] = {"pending", "done", "executed", NULL};
static const struct field record_fields[] = {
    FIELD_STR(struct record, id, "id", F_READONLY | F_REQUIRED, ID_LENGTH, ID_LENGTH, .bson = "_id"),
    FIELD_UUID(struct record, tenant_id, "tenant_id", F_READONLY | F_REQUIRED),
    FIELD_BYTES(struct record, fingerprint, "fingerprint", F_SECRET | F_REQUIRED),
    FIELD_UUID(struct record, attempt, "attempt", F_READONLY | F_REQUIRED),
    FIELD_UUID(struct record, object_id, "object_id", F_READONLY | F_REQUIRED),
    FIELD_STR(struct record, state, "state", F_READONLY | F_REQUIRED, 1, 16, .values = states),
    FIELD_TIME(struct record, lease_until, "lease_until", F_READONLY | F_REQUIRED),
    FIELD_TIME(struct record, created_at, "created_at", F_READONLY | F_REQUIRED),
    FIELD_TIME(struct record, expires_at, "expires_at", F_READONLY | F_REQUIRED),
    FIELD_BYTES(struct record, answer, "answer", F_SECRET),
};
const struct schema idempotency_schema = {
    .name = "idempotency_key", .collection = "idempotency_keys",
    .size = sizeof(struct record), SCHEMA_FIELDS(record_fields),
};
/* clang-format on */

/* The tenant of records that belong to no tenant: the greatest UUID, which is no one's id. */
static struct uuid tenant_of(const struct idempotency_request *request)
{
    struct uuid whole;

    if (!uuid_is_zero(&request->tenant_id))
        return request->tenant_id;
    memset(whole.bytes, 0xff, sizeof whole.bytes);
    return whole;
}

/* --- what is the same --- */

/* Keyed, because a body holds a password: a plain digest would be a cheap way to guess it. */
static enum err make_hashes(struct ctx *ctx, const struct idempotency_request *request,
                            struct idempotency *claimed, char ret_id[ID_LENGTH + 1])
{
    const uint8_t *master = app_config(ctx->app)->master_key_bytes;
    const char *query = request->query != NULL ? request->query : "";
    uint8_t key[SECRET_KEY_SIZE], mac[SECRET_MAC_SIZE], body[SHA256_SIZE];
    char tenant[UUID_HEX_SIZE];
    struct buf who, what;

    uuid_hex(&claimed->record.tenant_id, tenant);
    buf_init(&who, ctx->arena, (size_t)16 * 1024);
    buf_printf(&who, "%s\n%s\n%s\n%s\n", tenant, request->caller, request->route, request->key);
    secret_sha256(request->body.size > 0 ? request->body.data : (const void *)"",
                  request->body.size, body);
    buf_init(&what, ctx->arena, (size_t)32 * 1024);
    buf_printf(&what, "%s\n", query);
    buf_add(&what, body, sizeof body);
    if (!buf_ok(&who) || !buf_ok(&what))
        return fail_internal(ctx, ERR_MEMORY, "no memory for an idempotency key");

    secret_derive(master, "idempotency", key);
    secret_mac(key, who.data, who.size, mac);
    memcpy(ret_id, tenant, UUID_HEX_SIZE - 1);
    ret_id[UUID_HEX_SIZE - 1] = ':';
    base64url_encode(mac, sizeof mac, ret_id + UUID_HEX_SIZE);
    secret_mac(key, what.data, what.size, claimed->fingerprint);
    buf_add(&who, body, sizeof body);
    secret_derive(master, "idempotency answer", key);
    if (buf_ok(&who))
        secret_mac(key, who.data, who.size, claimed->key);
    secret_wipe(key, sizeof key);
    return buf_ok(&who) ? ERR_OK : fail_internal(ctx, ERR_MEMORY, "no memory for a key");
}

static enum err prepare(struct ctx *ctx, const struct idempotency_request *request,
                        struct idempotency **ret_claimed)
{
    struct idempotency *claimed = ARENA_NEW(ctx->arena, struct idempotency);
    char *id = arena_alloc(ctx->arena, ID_LENGTH + 1);

    if (claimed == NULL || id == NULL)
        return fail_internal(ctx, ERR_MEMORY, "no memory for an idempotency key");
    claimed->record.id = id;
    claimed->record.tenant_id = tenant_of(request);
    claimed->attempt = uuid_new();
    *ret_claimed = claimed;
    return make_hashes(ctx, request, claimed, id);
}

/* --- the database; the record's tenant is not always the ctx's --- */

static struct ctx begin(const struct ctx *ctx, const struct idempotency *claimed)
{
    struct ctx own = *ctx;

    own.tenant = NULL;
    own.tenant_id = claimed->record.tenant_id;
    return own;
}

static enum err end(struct ctx *ctx, const struct ctx *own, enum err code)
{
    ctx->db_calls = own->db_calls;
    ctx->failure = own->failure;
    return code;
}

/* name: {$cond: [when, value.v, "$name"]} */
static void put_choice(bson_t *set, const char *name, const bson_t *when, const bson_t *value)
{
    bson_t choice, parts;
    bson_iter_t it;
    char keep[32] = "$";

    bson_strncpy(keep + 1, name, sizeof keep - 1);
    BSON_APPEND_DOCUMENT_BEGIN(set, name, &choice);
    BSON_APPEND_ARRAY_BEGIN(&choice, "$cond", &parts);
    BSON_APPEND_DOCUMENT(&parts, "0", when);
    if (bson_iter_init_find(&it, value, "v"))
        (void)bson_append_iter(&parts, "1", -1, &it);
    BSON_APPEND_UTF8(&parts, "2", keep);
    bson_append_array_end(&choice, &parts);
    bson_append_document_end(set, &choice);
}

/* For what begins anew when there was no record, or one whose day is over. */
static void put_fresh(bson_t *set, const struct uuid *object_id)
{
    AUTO(bson_destroy)
    bson_t *fresh = BCON_NEW("$lte", "[", "{", "$ifNull", "[", "$expires_at", BCON_DATE_TIME(0),
                             "]", "}", "$$NOW", "]");
    AUTO(bson_destroy) bson_t *now = BCON_NEW("v", "$$NOW"), *gone = BCON_NEW("v", "$$REMOVE");
    AUTO(bson_destroy)
    bson_t *later = BCON_NEW("v", "{", "$add", "[", "$$NOW", BCON_INT64(KEPT_MS), "]", "}");
    AUTO(bson_destroy)
    bson_t *id = BCON_NEW("v", BCON_BIN(BSON_SUBTYPE_UUID, object_id->bytes, 16));

    put_choice(set, "object_id", fresh, id);
    put_choice(set, "created_at", fresh, now);
    put_choice(set, "expires_at", fresh, later);
    put_choice(set, "answer", fresh, gone);
}

/* For what a new executor writes: also one that takes over from an attempt that is overdue. */
static void put_taken(bson_t *set, const struct idempotency *claimed, int64_t lease_ms)
{
    const uint8_t *print = claimed->fingerprint;
    AUTO(bson_destroy)
    bson_t *take = BCON_NEW(
        "$or", "[", "{", "$lte", "[", "{", "$ifNull", "[", "$expires_at", BCON_DATE_TIME(0), "]",
        "}", "$$NOW", "]", "}", "{", "$and", "[", "{", "$eq", "[", "$state", "pending", "]", "}",
        "{", "$eq", "[", "$fingerprint", BCON_BIN(BSON_SUBTYPE_BINARY, print, SECRET_MAC_SIZE), "]",
        "}", "{", "$lte", "[", "$lease_until", "$$NOW", "]", "}", "]", "}", "]");
    AUTO(bson_destroy)
    bson_t *attempt = BCON_NEW("v", BCON_BIN(BSON_SUBTYPE_UUID, claimed->attempt.bytes, 16));
    AUTO(bson_destroy)
    bson_t *fingerprint = BCON_NEW("v", BCON_BIN(BSON_SUBTYPE_BINARY, print, SECRET_MAC_SIZE));
    AUTO(bson_destroy)
    bson_t *lease = BCON_NEW("v", "{", "$add", "[", "$$NOW", BCON_INT64(lease_ms), "]", "}");
    AUTO(bson_destroy) bson_t *pending = BCON_NEW("v", "pending");

    put_choice(set, "attempt", take, attempt);
    put_choice(set, "fingerprint", take, fingerprint);
    put_choice(set, "state", take, pending);
    put_choice(set, "lease_until", take, lease);
}

/* One atomic step: makes the record, takes it over, or reads it as it is. */
static enum err claim(struct ctx *ctx, struct idempotency *claimed)
{
    AUTO(bson_destroy) bson_t *filter = BCON_NEW("_id", BCON_UTF8(claimed->record.id));
    AUTO(bson_destroy) bson_t *pipeline = bson_new();
    const struct db_change change = {
        .filter = filter, .update = pipeline, .pipeline = true, .upsert = true};
    const struct uuid object_id = uuid_new();
    struct ctx own = begin(ctx, claimed);
    bson_t stage, set;

    BSON_APPEND_DOCUMENT_BEGIN(pipeline, "0", &stage);
    BSON_APPEND_DOCUMENT_BEGIN(&stage, "$set", &set);
    put_taken(&set, claimed, ctx_remaining(ctx, LEASE_MAX_MS));
    put_fresh(&set, &object_id);
    bson_append_document_end(&stage, &set);
    bson_append_document_end(pipeline, &stage);

    enum err code = db_find_and_update(&own, &idempotency_schema, &change, &claimed->record);
    /* Two inserted at once: the other one's record is there now. */
    if (code == ERR_CONFLICT)
        code = db_find_and_update(&own, &idempotency_schema, &change, &claimed->record);
    return end(ctx, &own, code);
}

/* --- waiting --- */

static enum err look(struct ctx *ctx, struct idempotency *claimed)
{
    AUTO(bson_destroy) bson_t *filter = BCON_NEW("_id", BCON_UTF8(claimed->record.id));
    struct ctx own = begin(ctx, claimed);
    struct record found = {0};
    const enum err code = db_find_one(&own, &idempotency_schema, filter, &found);

    if (code == ERR_OK)
        claimed->record = found;
    return end(ctx, &own, code);
}

static bool is_under_way(const struct record *record)
{
    return strcmp(record->state, "pending") == 0 && record->lease_until > clock_now_ms();
}

static enum err busy(struct ctx *ctx, const struct record *record)
{
    return fail_retry(ctx, ERR_IDEMPOTENCY_BUSY,
                      (record->lease_until - clock_now_ms() + 999) / 1000);
}

/* Until the attempt under way has ended in some way, which the next claim sees. No client of the
 * database and no lock is held while sleeping. */
static enum err wait_for_end(struct ctx *ctx, struct idempotency *claimed, int64_t until)
{
    int64_t pause_ms = 10;

    while (is_under_way(&claimed->record)) {
        const struct timespec pause = {.tv_nsec = (long)pause_ms * 1000000};

        if (clock_monotonic_ms() + pause_ms >= until)
            return busy(ctx, &claimed->record);
        (void)nanosleep(&pause, NULL);
        pause_ms = pause_ms < POLL_MAX_MS / 2 ? pause_ms * 2 : POLL_MAX_MS;

        const enum err code = look(ctx, claimed);

        if (code == ERR_NOT_FOUND)
            return ERR_OK;
        TRY(code);
    }
    return ERR_OK;
}

static enum err wait_seated(struct ctx *ctx, struct idempotency *claimed, int64_t until)
{
    if (!seat_take(ctx->app))
        return busy(ctx, &claimed->record);

    const enum err code = wait_for_end(ctx, claimed, until);

    seat_leave(ctx->app);
    return code;
}

/* --- claiming --- */

static enum err open_answer(struct ctx *ctx, const struct idempotency *claimed,
                            struct idempotency_answer *ret_answer)
{
    const struct record *record = &claimed->record;
    const char *lost = "The request was carried out, but its answer is no longer there: read what "
                       "it made, or use a new key for another one.";

    if (strcmp(record->state, "done") != 0 ||
        idempotency_answer_open(ctx, claimed->key, record->id, &record->answer, ret_answer) !=
            ERR_OK)
        return fail(ctx, ERR_IDEMPOTENCY_LOST, NULL, "%s", lost);
    return ERR_OK;
}

enum err idempotency_claim(struct ctx *ctx, const struct idempotency_request *request,
                           struct idempotency **ret_claimed, struct idempotency_answer *ret_answer,
                           bool *ret_replay)
{
    const int64_t until = clock_monotonic_ms() + ctx_remaining(ctx, WAIT_MS);
    struct idempotency *claimed = NULL;

    *ret_replay = false;
    TRY(prepare(ctx, request, &claimed));
    for (;;) {
        const struct record *record = &claimed->record;

        TRY(claim(ctx, claimed));
        if (uuid_equal(&record->attempt, &claimed->attempt)) {
            *ret_claimed = claimed;
            return ERR_OK;
        }
        if (record->fingerprint.size != SECRET_MAC_SIZE ||
            !secret_equal(record->fingerprint.data, claimed->fingerprint, SECRET_MAC_SIZE))
            return fail(ctx, ERR_IDEMPOTENCY_REUSED, "Idempotency-Key", NULL);
        if (strcmp(record->state, "pending") != 0) {
            *ret_replay = true;
            return open_answer(ctx, claimed, ret_answer);
        }
        TRY(wait_seated(ctx, claimed, until));
        fail_clear(ctx);
    }
}

const struct uuid *idempotency_object_id(const struct idempotency *claimed)
{
    return &claimed->record.object_id;
}

/* --- ending --- */

static bson_t *filter_of(const struct idempotency *claimed)
{
    bson_t *filter = BCON_NEW("_id", BCON_UTF8(claimed->record.id));

    bson_put_uuid(filter, "attempt", &claimed->attempt);
    return filter;
}

enum err idempotency_commit(struct ctx *ctx, struct idempotency *claimed,
                            const struct idempotency_answer *answer)
{
    AUTO(bson_destroy) bson_t *filter = filter_of(claimed);
    AUTO(bson_destroy) bson_t *update = bson_new();
    struct bytes sealed = {.data = NULL};
    bson_t set;

    if (answer != NULL)
        TRY(idempotency_answer_seal(ctx, claimed->key, claimed->record.id, answer, &sealed));

    struct ctx own = begin(ctx, claimed);

    BSON_APPEND_DOCUMENT_BEGIN(update, "$set", &set);
    bson_put_text(&set, "state", answer != NULL ? "done" : "executed");
    if (answer != NULL)
        bson_put_bytes(&set, "answer", sealed.data, sealed.size);
    bson_append_document_end(update, &set);

    const enum err code = db_update_one(&own, &idempotency_schema, filter, update);

    (void)end(ctx, &own, code);
    if (code == ERR_NOT_FOUND)
        return fail_retry(ctx, ERR_IDEMPOTENCY_BUSY, 1);
    return code;
}

void idempotency_release(struct ctx *ctx, const struct idempotency *claimed, bool refused)
{
    AUTO(bson_destroy) bson_t *filter = filter_of(claimed);
    AUTO(bson_destroy)
    bson_t *update = BCON_NEW("$set", "{", "lease_until", BCON_DATE_TIME(0), "}");
    struct ctx own = begin(ctx, claimed);

    bson_put_text(filter, "state", "pending");

    const enum err code = refused ? db_delete_one(&own, &idempotency_schema, filter)
                                  : db_update_one(&own, &idempotency_schema, filter, update);

    ctx->db_calls = own.db_calls;
    if (code != ERR_OK)
        fail_clear(&own); /* the lease ends by itself */
}
