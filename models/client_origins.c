/*
 * Loading a tenant's origins: all its clients are read page by page, and of each origin eight bytes
 * of a keyed hash are kept, sorted. A browser's Origin has lower-case scheme and host and no
 * default port, so the origins of what was registered are brought into that form first.
 */
#include "models/client_origins.h"

#include <stdlib.h>
#include <string.h>

#include "app/app.h"
#include "app/cache.h"
#include "app/db.h"
#include "app/redirect_uri.h"
#include "app/secret.h"
#include "models/oauth_client.h"
#include "models/tenant_origin.h"

#define PAGE       100
#define PAGE_LIMIT ((size_t)8 * 1024 * 1024) /* 100 clients with 20 URIs of 2000 bytes */
#define MOST       8192                      /* origins of one tenant: what a snapshot can hold */
#define MAX_ORIGIN 300

/* Of a client only this is looked at. */
struct client_uris {
    const char *id;
    struct uuid tenant_id;
    struct strs redirect_uris;
};

/* clang-format off */
static const struct field client_uris_fields[] = {
    FIELD_STR(struct client_uris, id, "client_id", F_READONLY | F_REQUIRED, 1, 63, .bson = "_id"),
    FIELD_UUID(struct client_uris, tenant_id, "tenant_id", F_READONLY | F_REQUIRED),
    FIELD_STRS(struct client_uris, redirect_uris, "redirect_uris", F_ALWAYS, 1, REDIRECT_URI_MAX, CLIENT_MAX_URIS),
};
/* clang-format on */

static const struct schema client_uris_schema = {
    .name = "client_uris",
    .collection = "oauth_clients",
    .size = sizeof(struct client_uris),
    SCHEMA_FIELDS(client_uris_fields),
};

struct client_origins {
    uint64_t *hashes;
    size_t count, capacity;
};

/* --- loading --- */

/* As a browser sends it; false for a scheme without origins, and for what no browser would send. */
static bool normalise(const char *uri, char ret_origin[MAX_ORIGIN])
{
    const size_t length = redirect_uri_origin(uri);

    if (length == 0 || length >= MAX_ORIGIN)
        return false;
    for (size_t i = 0; i < length; i++)
        ret_origin[i] = (char)(uri[i] >= 'A' && uri[i] <= 'Z' ? uri[i] - 'A' + 'a' : uri[i]);
    ret_origin[length] = '\0';

    char *port = strrchr(ret_origin, ':');

    if (strcmp(port, strncmp(ret_origin, "https", 5) == 0 ? ":443" : ":80") == 0)
        *port = '\0';
    return tenant_origin_check(ret_origin) == NULL;
}

static uint64_t hash_of(const char *origin)
{
    return secret_table_hash(origin, strlen(origin));
}

static int compare(const void *a, const void *b)
{
    const uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

    return (left > right) - (left < right);
}

static void sort_out(struct client_origins *origins)
{
    size_t kept = 0;

    qsort(origins->hashes, origins->count, sizeof *origins->hashes, compare);
    for (size_t i = 0; i < origins->count; i++) {
        if (kept == 0 || origins->hashes[i] != origins->hashes[kept - 1])
            origins->hashes[kept++] = origins->hashes[i];
    }
    origins->count = kept;
}

/* Most clients repeat what others have: repetitions go when the place is used up. */
static void add(struct client_origins *origins, const char *uri)
{
    char origin[MAX_ORIGIN];

    if (!normalise(uri, origin))
        return;
    if (origins->count == origins->capacity)
        sort_out(origins);
    if (origins->count < origins->capacity)
        origins->hashes[origins->count++] = hash_of(origin);
}

/* after: the last id of the page before, "" at first. */
static enum err load_page(struct ctx *ctx, const char *after, struct list *ret_page)
{
    AUTO(bson_destroy) bson_t *filter = BCON_NEW("_id", "{", "$gt", BCON_UTF8(after), "}");
    AUTO(bson_destroy) bson_t *sort = BCON_NEW("_id", BCON_INT32(1));

    *ret_page = (struct list){0};
    return db_find_many(ctx, &client_uris_schema,
                        &(struct db_find){.filter = filter, .sort = sort, .limit = PAGE}, ret_page);
}

static enum err load_all(struct ctx *ctx, struct client_origins *origins)
{
    char after[64] = "";
    struct list page;

    do {
        TRY(load_page(ctx, after, &page));

        const struct client_uris *clients = page.items;

        for (size_t i = 0; i < page.count; i++) {
            for (size_t u = 0; u < clients[i].redirect_uris.count; u++)
                add(origins, clients[i].redirect_uris.items[u]);
        }
        if (page.count > 0)
            (void)snprintf(after, sizeof after, "%s", clients[page.count - 1].id);
        arena_reset(ctx->arena);
    } while (page.count == PAGE);
    return ERR_OK;
}

/* The snapshot gets what there is, not what there was place for. */
static enum err keep(struct ctx *ctx, struct client_origins *all, const void **ret_data)
{
    struct client_origins *kept = ARENA_NEW(ctx->arena, struct client_origins);

    sort_out(all);
    if (kept == NULL)
        return fail_internal(ctx, ERR_MEMORY, "no memory for the origins of clients");
    kept->count = kept->capacity = all->count;
    if (all->count > 0)
        kept->hashes = arena_memdup(ctx->arena, all->hashes, all->count * sizeof *all->hashes);
    if (all->count > 0 && kept->hashes == NULL)
        return fail_internal(ctx, ERR_MEMORY, "no memory for %zu origins of clients", all->count);
    *ret_data = kept;
    return ERR_OK;
}

static enum err load(struct ctx *ctx, struct ctx *reading, struct arena *gathering,
                     const void **ret_data)
{
    struct client_origins all = {.capacity = MOST};

    all.hashes = arena_array(gathering, MOST, sizeof *all.hashes);
    if (all.hashes == NULL)
        return fail_internal(ctx, ERR_MEMORY, "no memory for the origins of clients");

    const enum err code = load_all(reading, &all);

    ctx->db_calls = reading->db_calls;
    if (code != ERR_OK && reading->failure.internal != NULL)
        return fail_internal(ctx, code, "%s", reading->failure.internal);
    TRY(code);
    return keep(ctx, &all, ret_data);
}

enum err client_origins_load(struct ctx *ctx, const void *key, size_t size, const void **ret_data)
{
    struct arena pages, gathering;
    struct ctx reading = *ctx;

    if (size != sizeof reading.tenant_id.bytes)
        return ERR_INTERNAL;
    arena_init(&pages, PAGE_LIMIT);
    arena_init(&gathering, 2 * MOST * sizeof(uint64_t));
    reading.arena = &pages;
    reading.tenant = NULL;
    memcpy(reading.tenant_id.bytes, key, size);

    const enum err code = load(ctx, &reading, &gathering, ret_data);

    arena_clear(&pages);
    arena_clear(&gathering);
    return code;
}

/* --- asking --- */

bool client_origin_is_registered(struct ctx *ctx, const struct uuid *tenant_id, const char *origin)
{
    const struct failure failure = ctx->failure;
    const void *data = NULL;

    /* What no redirect URI can have is in no list. */
    if (ctx->app->client_origins == NULL || tenant_origin_check(origin) != NULL)
        return false;

    const enum err found =
        cache_get(ctx->app->client_origins, ctx, tenant_id->bytes, sizeof tenant_id->bytes, &data);

    ctx->failure = failure;
    if (found != ERR_OK)
        return false;

    const struct client_origins *origins = data;
    const uint64_t wanted = hash_of(origin);

    return origins->count > 0 &&
           bsearch(&wanted, origins->hashes, origins->count, sizeof wanted, compare) != NULL;
}

void client_origins_forget(struct ctx *ctx)
{
    if (ctx->app->client_origins != NULL)
        cache_drop(ctx->app->client_origins, ctx->tenant_id.bytes, sizeof ctx->tenant_id.bytes);
}
