/* Authorization requests that wait for a sign-in. */
#include "models/authorization.h"

#include <string.h>

#include "app/clock.h"
#include "app/db.h"
#include "app/redirect_uri.h"
#include "app/secret.h"

/* clang-format off */
static const struct field authorization_fields[] = {
    FIELD_UUID(struct authorization, id, "id", F_READONLY | F_REQUIRED, .bson = "_id"),
    FIELD_UUID(struct authorization, tenant_id, "tenant_id", F_READONLY | F_REQUIRED),
    FIELD_STR(struct authorization, client_id, "oauth_client_id", F_READONLY | F_REQUIRED, 1, 63),
    FIELD_BYTES(struct authorization, browser, "browser", F_READONLY | F_SECRET | F_REQUIRED),
    FIELD_STR(struct authorization, redirect_uri, "redirect_uri", F_READONLY | F_REQUIRED, 1, REDIRECT_URI_MAX),
    FIELD_STR(struct authorization, login_hint, "login_hint", F_READONLY, 1, 254),
    FIELD_STR(struct authorization, query, "query", F_READONLY | F_REQUIRED, 1, AUTHORIZATION_MAX_QUERY),
    FIELD_TIME(struct authorization, used_at, "used_at", F_READONLY),
    FIELD_TIME(struct authorization, expires_at, "expires_at", F_READONLY | F_REQUIRED),
};
/* clang-format on */

const struct schema authorization_schema = {
    .name = "authorization",
    .collection = "authorizations",
    .size = sizeof(struct authorization),
    SCHEMA_FIELDS(authorization_fields),
};

static struct bytes browser_of(const char *text, uint8_t digest[SHA256_SIZE])
{
    secret_sha256(text, strlen(text), digest);
    return (struct bytes){.data = digest, .size = SHA256_SIZE};
}

enum err authorization_keep(struct ctx *ctx, const struct authorization *request,
                            const char *browser, const char **ret_ticket)
{
    struct authorization kept = *request;
    char *ticket = arena_alloc(ctx->arena, UUID_TEXT_SIZE);
    uint8_t digest[SHA256_SIZE];

    if (ticket == NULL)
        return ERR_MEMORY;
    secret_random(kept.id.bytes, sizeof kept.id.bytes);
    kept.tenant_id = ctx->tenant_id;
    kept.browser = browser_of(browser, digest);
    kept.expires_at = clock_now_ms() + (int64_t)AUTHORIZATION_SECONDS * 1000;
    uuid_text(&kept.id, ticket);
    *ret_ticket = ticket;
    return db_insert(ctx, &authorization_schema, &kept);
}

/* Unused, unexpired, of this browser; false when the text is no ticket. */
static bool put_ticket(bson_t *filter, const char *ticket, const char *browser)
{
    AUTO(bson_destroy)
    bson_t *alive = BCON_NEW("$gt", "[", BCON_UTF8("$expires_at"), BCON_UTF8("$$NOW"), "]");
    AUTO(bson_destroy) bson_t *unused = BCON_NEW("$exists", BCON_BOOL(false));
    uint8_t digest[SHA256_SIZE];
    struct uuid id;

    if (ticket == NULL || browser == NULL || !uuid_parse(ticket, &id))
        return false;

    const struct bytes bound = browser_of(browser, digest);

    bson_put_uuid(filter, "_id", &id);
    bson_put_bytes(filter, "browser", bound.data, bound.size);
    BSON_APPEND_DOCUMENT(filter, "used_at", unused);
    BSON_APPEND_DOCUMENT(filter, "$expr", alive);
    return true;
}

enum err authorization_look(struct ctx *ctx, const char *ticket, const char *browser,
                            struct authorization *ret_request)
{
    AUTO(bson_destroy) bson_t *filter = bson_new();

    if (!put_ticket(filter, ticket, browser))
        return ERR_NOT_FOUND;
    return db_find_one(ctx, &authorization_schema, filter, ret_request);
}

enum err authorization_take(struct ctx *ctx, const char *ticket, const char *browser,
                            struct authorization *ret_request)
{
    AUTO(bson_destroy) bson_t *filter = bson_new();
    AUTO(bson_destroy)
    bson_t *update = BCON_NEW("$set", "{", "used_at", BCON_DATE_TIME(clock_now_ms()), "}");

    if (!put_ticket(filter, ticket, browser))
        return ERR_NOT_FOUND;
    return db_find_and_update(ctx, &authorization_schema,
                              &(struct db_change){.filter = filter, .update = update}, ret_request);
}
