/* Elections by the database's clock, each one atomic update of the lease's document. */
#include "app/lease.h"

#include "app/db.h"

/* clang-format off */
static const struct field lease_fields[] = {
    FIELD_STR(struct lease, name, "name", F_REQUIRED, 1, 64, .bson = "_id"),
    FIELD_UUID(struct lease, holder, "holder", F_NONE),
    FIELD_INT(struct lease, fence, "fence", F_NONE, 0, INT64_MAX),
    FIELD_TIME(struct lease, expires_at, "expires_at", F_NONE),
};
const struct schema lease_schema = {
    .name = "lease", .collection = "leases", .global = true,
    .size = sizeof(struct lease), SCHEMA_FIELDS(lease_fields),
};

/* Who finds another one's lease over takes it with the next number. Its holder extends it under the same
 * one, late too: nobody had it meanwhile. For everyone else nothing changes. All expressions of one stage
 * see the document as it was. */
static bson_t *take_pipeline(const struct uuid *holder, int64_t duration_ms)
{
#define ME BCON_BIN(BSON_SUBTYPE_UUID, holder->bytes, sizeof holder->bytes)
#define OVER "{", "$lte", "[", "{", "$ifNull", "[", "$expires_at", BCON_DATE_TIME(0), "]", "}", "$$NOW", "]", "}"
#define MINE "{", "$eq", "[", "$holder", ME, "]", "}"
    return BCON_NEW(
        "0", "{", "$set", "{",
        "fence", "{", "$add", "[",
            "{", "$ifNull", "[", "$fence", BCON_INT64(0), "]", "}",
            "{", "$cond", "[", "{", "$and", "[", OVER, "{", "$not", "[", MINE, "]", "}", "]", "}",
                BCON_INT64(1), BCON_INT64(0), "]", "}", "]", "}",
        "holder", "{", "$cond", "[", OVER, ME, "$holder", "]", "}",
        "expires_at", "{", "$cond", "[", "{", "$or", "[", OVER, MINE, "]", "}",
            "{", "$add", "[", "$$NOW", BCON_INT64(duration_ms), "]", "}", "$expires_at", "]", "}",
        "}", "}");
#undef MINE
#undef OVER
#undef ME
}
/* clang-format on */

enum err lease_take(struct ctx *ctx, const char *name, const struct uuid *holder,
                    int64_t duration_ms, int64_t *ret_fence)
{
    AUTO(bson_destroy) bson_t *filter = BCON_NEW("_id", BCON_UTF8(name));
    AUTO(bson_destroy) bson_t *update = take_pipeline(holder, duration_ms);
    const struct db_change change = {
        .filter = filter, .update = update, .pipeline = true, .upsert = true};
    struct lease lease = {0};

    /* Two first takers at once: ERR_CONFLICT for one of them is the right answer too. */
    TRY(db_find_and_update(ctx, &lease_schema, &change, &lease));
    if (!uuid_equal(&lease.holder, holder))
        return fail_internal(ctx, ERR_CONFLICT, "the lease %s is someone else's", name);
    *ret_fence = lease.fence;
    return ERR_OK;
}

/* The document stays, so that the next number is a higher one. */
enum err lease_release(struct ctx *ctx, const char *name, const struct uuid *holder)
{
    AUTO(bson_destroy) bson_t *filter = bson_new();
    AUTO(bson_destroy)
    bson_t *update = BCON_NEW("0", "{", "$set", "{", "expires_at", "$$NOW", "}", "}");

    bson_put_text(filter, "_id", name);
    bson_put_uuid(filter, "holder", holder);
    enum err err = db_update_one(ctx, &lease_schema, filter, update);
    return err == ERR_NOT_FOUND ? ERR_OK : err; /* it had ended already */
}
