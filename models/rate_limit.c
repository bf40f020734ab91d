/* GCRA in one pipeline update, in microseconds by the database's clock. */
#include "models/rate_limit.h"

#include <string.h>

#include "app/app.h"
#include "app/db.h"
#include "app/secret.h"

#define ID_BYTES 24
#define ID_SIZE  (BASE64URL_LENGTH(ID_BYTES) + 1)

struct rate_limit {
    const char *id;
    int64_t now_us;   /* of the last lease, by the database's clock */
    int64_t start_us; /* where what was given on top begins */
    int64_t paid, more;
    int64_t whole_us;
    int64_t expires_at;
};

/* clang-format off */
static const struct field rate_limit_fields[] = {
    FIELD_STR(struct rate_limit, id, "id", F_READONLY | F_REQUIRED, 1, ID_SIZE, .bson = "_id"),
    FIELD_INT(struct rate_limit, now_us, "now_us", F_READONLY, 0, INT64_MAX),
    FIELD_INT(struct rate_limit, start_us, "start_us", F_READONLY, 0, INT64_MAX),
    FIELD_INT(struct rate_limit, paid, "paid", F_READONLY, 0, INT64_MAX),
    FIELD_INT(struct rate_limit, more, "more", F_READONLY, 0, INT64_MAX),
    FIELD_INT(struct rate_limit, whole_us, "whole_us", F_READONLY, 0, INT64_MAX),
    FIELD_TIME(struct rate_limit, expires_at, "expires_at", F_READONLY),
};
const struct schema rate_limit_schema = {
    .name = "rate_limit", .collection = "rate_limits", .global = true,
    .size = sizeof(struct rate_limit), SCHEMA_FIELDS(rate_limit_fields),
};

#define ROOM_FROM(start) "{", "$toLong", "{", "$floor", "{", "$divide", "[", \
    "{", "$subtract", "[", "{", "$add", "[", "$now_us", BCON_INT64(period), "]", "}", start, "]", "}", BCON_INT64(interval), "]", "}", "}", "}"

/* What is told is charged as of then, so that what has come back meanwhile is not charged twice; what is
 * wanted on top, as of now. A start further ahead than a whole period belongs to an older, longer rule. */
static bson_t *lease_pipeline(int64_t interval, int64_t period, const struct limit_ask *ask)
{
    return BCON_NEW(
        "0", "{", "$set", "{", "now_us", "{", "$multiply", "[", "{", "$toLong", "$$NOW", "}", BCON_INT64(1000), "]", "}", "}", "}",
        "1", "{", "$set", "{",
        "start_us", "{", "$min", "[",
            "{", "$max", "[", "{", "$ifNull", "[", "$whole_us", BCON_INT64(0), "]", "}",
                "{", "$subtract", "[", "$now_us", BCON_INT64(ask->age_us), "]", "}", "]", "}",
            "{", "$add", "[", "$now_us", BCON_INT64(period), "]", "}", "]", "}",
        "}", "}",
        "2", "{", "$set", "{", "paid", "{", "$min", "[", BCON_INT64(ask->told), ROOM_FROM("$start_us"), "]", "}", "}", "}",
        "3", "{", "$set", "{",
        "start_us", "{", "$max", "[", "$now_us", "{", "$add", "[", "$start_us", "{", "$multiply", "[", "$paid", BCON_INT64(interval), "]", "}", "]", "}", "]", "}",
        "}", "}",
        "4", "{", "$set", "{", "more", "{", "$min", "[", BCON_INT64(ask->more), ROOM_FROM("$start_us"), "]", "}", "}", "}",
        "5", "{", "$set", "{",
        "whole_us", "{", "$add", "[", "$start_us", "{", "$multiply", "[", "$more", BCON_INT64(interval), "]", "}", "]", "}",
        "expires_at", "{", "$add", "[", "$$NOW", BCON_INT64(period / 1000 + 1), "]", "}",
        "}", "}");
}
#undef ROOM_FROM
/* clang-format on */

static void make_id(const struct ctx *ctx, const struct limit_key *key, char ret_id[ID_SIZE])
{
    uint8_t purpose_key[SECRET_KEY_SIZE], mac[SECRET_MAC_SIZE], message[1 + LIMIT_SUBJECT_MAX];

    secret_derive(app_config(ctx->app)->master_key_bytes, "rate limits", purpose_key);
    message[0] = (uint8_t)key->class;
    memcpy(message + 1, key->subject, key->size);
    secret_mac(purpose_key, message, 1 + key->size, mac);
    base64url_encode(mac, ID_BYTES, ret_id);
    secret_wipe(purpose_key, sizeof purpose_key);
}

enum err rate_limit_lease(struct ctx *ctx, const struct limit_key *key,
                          const struct limit_rule *rule, const struct limit_ask *ask,
                          struct limit_lease *ret_lease)
{
    const int64_t interval = rule->seconds * 1000000 / rule->count;
    char id[ID_SIZE];
    struct rate_limit shared = {0};

    make_id(ctx, key, id);

    AUTO(bson_destroy) bson_t *filter = BCON_NEW("_id", BCON_UTF8(id));
    AUTO(bson_destroy)
    bson_t *update = lease_pipeline(interval, interval * rule->count, ask);
    const struct db_change change = {
        .filter = filter, .update = update, .pipeline = true, .upsert = true};
    enum err leased = db_find_and_update(ctx, &rate_limit_schema, &change, &shared);

    /* Two first leases at once: the loser's upsert meets the winner's document and is run again. */
    if (leased == ERR_CONFLICT)
        leased = db_find_and_update(ctx, &rate_limit_schema, &change, &shared);
    TRY(leased);
    *ret_lease = (struct limit_lease){.given = shared.paid + shared.more,
                                      .ahead_us = shared.whole_us - shared.now_us};
    return ERR_OK;
}
