/*
 * Charged tries. The lock is taken in advance with the last try that is still evaluated: so no
 * number of parallel tries on any number of instances exceeds the limit, and the first failure
 * after a lock locks again, doubled. Success needs no write of its own here: its time, by the same
 * clock, is then younger than the last charge. It stands in the user for the account and in the
 * cookie for a device, so that each success wipes its own count only.
 */
#include "models/login_attempt.h"

#include <stdio.h>
#include <string.h>

#include "app/app.h"
#include "app/clock.h"
#include "app/db.h"
#include "app/metrics.h"
#include "app/secret.h"
#include "app/text.h"

#define MAX_LEVEL 16 /* the doubling has long reached lock_max_seconds */
#define FORGET_MS (INT64_C(24) * 3600 * 1000)
#define ID_SIZE   104

/* "<tenant hex>:u:<user hex>", "…:d:<user hex><device hex>" or "…:n:<SHA-256 of the name>" */
struct login_attempt {
    const char *id;
    struct uuid tenant_id;
    int64_t tries;
    int64_t level; /* how often locked in a row */
    int64_t round; /* grows whenever a row of tries ends, by success or by lock */
    bool allowed;  /* the last charge may be evaluated */
    int64_t locked_until;
    int64_t charged_at;
    int64_t expires_at;
};

/* clang-format off */
static const struct field login_attempt_fields[] = {
    FIELD_STR(struct login_attempt, id, "id", F_READONLY | F_REQUIRED, 1, ID_SIZE, .bson = "_id"),
    FIELD_UUID(struct login_attempt, tenant_id, "tenant_id", F_READONLY | F_REQUIRED),
    FIELD_INT(struct login_attempt, tries, "tries", F_READONLY, 0, INT64_MAX),
    FIELD_INT(struct login_attempt, level, "level", F_READONLY, 0, MAX_LEVEL),
    FIELD_INT(struct login_attempt, round, "round", F_READONLY, 0, INT64_MAX),
    FIELD_BOOL(struct login_attempt, allowed, "allowed", F_READONLY),
    FIELD_TIME(struct login_attempt, locked_until, "locked_until", F_READONLY),
    FIELD_TIME(struct login_attempt, charged_at, "charged_at", F_READONLY),
    FIELD_TIME(struct login_attempt, expires_at, "expires_at", F_READONLY),
};
const struct schema login_attempt_schema = {
    .name = "login_attempt", .collection = "login_attempts",
    .size = sizeof(struct login_attempt), SCHEMA_FIELDS(login_attempt_fields),
};
/* clang-format on */

static enum err attempt_id(struct ctx *ctx, const struct login_subject *subject,
                           char ret_id[ID_SIZE])
{
    char tenant[UUID_HEX_SIZE], user[UUID_HEX_SIZE], value[2 * UUID_HEX_SIZE];
    const char *canonical = NULL;
    uint8_t digest[SHA256_SIZE];
    char kind = 'n';

    uuid_hex(&ctx->tenant_id, tenant);
    if (subject->user != NULL) {
        const bool by_device = !uuid_is_zero(&subject->device.id);
        char device[UUID_HEX_SIZE] = "";

        kind = by_device ? 'd' : 'u';
        uuid_hex(&subject->user->id, user);
        if (by_device)
            uuid_hex(&subject->device.id, device);
        (void)snprintf(value, sizeof value, "%s%s", user, device);
    } else {
        TRY(text_canonical(ctx, subject->login, &canonical));
        secret_sha256(canonical, strlen(canonical), digest);
        base64url_encode(digest, sizeof digest, value);
    }
    (void)snprintf(ret_id, ID_SIZE, "%s:%c:%s", tenant, kind, value);
    return ERR_OK;
}

/* When this subject last succeeded. */
static int64_t success_at(const struct login_subject *subject)
{
    if (!uuid_is_zero(&subject->device.id))
        return subject->device.sign_in_at;
    return subject->user != NULL ? subject->user->strange_login_at : 0;
}

/* clang-format off */
/* A success since the last charge wipes what was counted; then decide, count, lock. While locked nothing
 * changes, so nothing is written. A charge is never older than the success it saw, so that each one
 * wipes once, also when a new primary's clock is behind. Behind a full row each try is a row of its own. */
#define LOCKS "{", "$and", "[", "$allowed", "{", "$gte", "[", "$tries", BCON_INT64(limits->lock_after), "]", "}", "]", "}"
#define OLD(name, standard) "{", "$cond", "[", "$wiped", standard, "{", "$ifNull", "[", "$" name, standard, "]", "}", "]", "}"

static bson_t *charge_pipeline(const struct config_limits *limits, int64_t success_at)
{
    return BCON_NEW(
        "0", "{", "$set", "{",
        "wiped", "{", "$gt", "[", BCON_DATE_TIME(success_at), "{", "$ifNull", "[", "$charged_at", BCON_DATE_TIME(0), "]", "}", "]", "}",
        "}", "}",
        "1", "{", "$set", "{",
        "locked_until", OLD("locked_until", BCON_DATE_TIME(0)),
        "tries", OLD("tries", BCON_INT64(0)),
        "level", OLD("level", BCON_INT64(0)),
        "}", "}",
        "2", "{", "$set", "{",
        "allowed", "{", "$lte", "[", "$locked_until", "$$NOW", "]", "}",
        "round", "{", "$add", "[", "{", "$ifNull", "[", "$round", BCON_INT64(0), "]", "}",
            "{", "$cond", "[", "{", "$or", "[", "$wiped", "{", "$and", "[",
                "{", "$lte", "[", "$locked_until", "$$NOW", "]", "}",
                "{", "$gte", "[", "$tries", BCON_INT64(limits->lock_after), "]", "}", "]", "}", "]", "}",
                BCON_INT64(1), BCON_INT64(0), "]", "}", "]", "}",
        "}", "}",
        "3", "{", "$set", "{",
        "tries", "{", "$cond", "[", "$allowed", "{", "$add", "[", "$tries", BCON_INT64(1), "]", "}", "$tries", "]", "}",
        "charged_at", "{", "$cond", "[", "$allowed", "{", "$max", "[", "$$NOW", BCON_DATE_TIME(success_at), "]", "}", "$charged_at", "]", "}",
        "expires_at", "{", "$cond", "[", "$allowed", "{", "$add", "[", "$$NOW", BCON_INT64(FORGET_MS), "]", "}", "$expires_at", "]", "}",
        "}", "}",
        "4", "{", "$set", "{",
        "locked_until", "{", "$cond", "[", LOCKS,
            "{", "$add", "[", "$$NOW", "{", "$min", "[",
                BCON_INT64(limits->lock_max_seconds * 1000),
                "{", "$multiply", "[", BCON_INT64(limits->lock_seconds * 1000), "{", "$pow", "[", BCON_INT64(2), "$level", "]", "}", "]", "}",
            "]", "}", "]", "}",
            "$locked_until", "]", "}",
        "level", "{", "$cond", "[", LOCKS,
            "{", "$min", "[", BCON_INT64(MAX_LEVEL), "{", "$add", "[", "$level", BCON_INT64(1), "]", "}", "]", "}",
            "$level", "]", "}",
        "}", "}");
}

/* The charge that reached the limit took the lock with it: both go back. */
static bson_t *refund_pipeline(const struct config_limits *limits)
{
    return BCON_NEW(
        "0", "{", "$set", "{",
        "locked_until", "{", "$cond", "[", "{", "$gte", "[", "$tries", BCON_INT64(limits->lock_after), "]", "}", BCON_DATE_TIME(0), "$locked_until", "]", "}",
        "level", "{", "$cond", "[", "{", "$gte", "[", "$tries", BCON_INT64(limits->lock_after), "]", "}", "{", "$max", "[", BCON_INT64(0), "{", "$subtract", "[", "$level", BCON_INT64(1), "]", "}", "]", "}", "$level", "]", "}",
        "tries", "{", "$subtract", "[", "$tries", BCON_INT64(1), "]", "}",
        "}", "}");
}
/* clang-format on */

static enum err refuse(struct ctx *ctx, const struct login_attempt *attempt)
{
    const struct config_limits *limits = &app_config(ctx->app)->limits;
    int64_t seconds = (attempt->locked_until - clock_now_ms() + 999) / 1000;

    if (seconds < 1)
        seconds = 1;
    if (seconds > limits->lock_max_seconds)
        seconds = limits->lock_max_seconds;
    metric_add(ctx->app->metrics, METRIC_LOCKOUTS, 1);
    return fail_retry(ctx, ERR_LOCKED, seconds);
}

enum err login_attempt_charge(struct ctx *ctx, const struct login_subject *subject,
                              struct login_charge *ret_charge)
{
    char id[ID_SIZE];
    struct login_attempt attempt = {0};

    TRY(attempt_id(ctx, subject, id));

    AUTO(bson_destroy) bson_t *filter = BCON_NEW("_id", BCON_UTF8(id));
    AUTO(bson_destroy)
    bson_t *update = charge_pipeline(&app_config(ctx->app)->limits, success_at(subject));
    const struct db_change change = {
        .filter = filter, .update = update, .pipeline = true, .upsert = true};
    enum err charged = db_find_and_update(ctx, &login_attempt_schema, &change, &attempt);

    /* Two first tries at once: the loser's upsert meets the winner's document and is run again. */
    if (charged == ERR_CONFLICT)
        charged = db_find_and_update(ctx, &login_attempt_schema, &change, &attempt);
    TRY(charged);
    *ret_charge = (struct login_charge){
        .last = attempt.allowed && attempt.locked_until > attempt.charged_at,
        .round = attempt.round,
    };
    return attempt.allowed ? ERR_OK : refuse(ctx, &attempt);
}

enum err login_attempt_refund(struct ctx *ctx, const struct login_subject *subject,
                              const struct login_charge *charge)
{
    char id[ID_SIZE];

    TRY(attempt_id(ctx, subject, id));

    AUTO(bson_destroy)
    bson_t *filter = BCON_NEW("_id", BCON_UTF8(id), "round", BCON_INT64(charge->round), "tries",
                              "{", "$gt", BCON_INT64(0), "}");
    AUTO(bson_destroy) bson_t *update = refund_pipeline(&app_config(ctx->app)->limits);
    const enum err refunded = db_update_one(ctx, &login_attempt_schema, filter, update);

    return refunded == ERR_NOT_FOUND ? ERR_OK : refunded;
}

enum err login_attempt_reset(struct ctx *ctx, const struct user *user)
{
    const struct login_subject subject = {.user = user};
    char id[ID_SIZE];

    TRY(attempt_id(ctx, &subject, id));

    AUTO(bson_destroy) bson_t *filter = BCON_NEW("_id", BCON_UTF8(id));
    const enum err removed = db_delete_one(ctx, &login_attempt_schema, filter);

    return removed == ERR_NOT_FOUND ? ERR_OK : removed;
}
