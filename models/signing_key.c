/* Signing keys in the database: each change is one transaction that any other one conflicts with.
 */
#include "models/signing_key.h"

#include <stdlib.h>
#include <string.h>

#include "app/clock.h"
#include "app/db.h"
#include "models/audit.h"

/* The longest that any tenant may let a token live (models/tenant_rules.c, tokens.oauth_access_ttl)
 * and a margin for clocks. */
#define TOKENS_END_MS (INT64_C(86400000) + INT64_C(600000))

const char *const signing_key_state_names[] = {NULL, "next", "current", "previous", NULL};

/* --- reading --- */

static bool has_ended(const struct signing_key *key, int64_t now)
{
    return key->expires_at != 0 && key->expires_at <= now;
}

static int newest_first(const void *left, const void *right)
{
    const struct signing_key_view *a = left, *b = right;
    const int64_t first = signing_key_begins(&a->key), second = signing_key_begins(&b->key);

    return (first < second) - (first > second);
}

enum err signing_key_list(struct ctx *ctx, struct list *ret_views)
{
    const int64_t now = clock_now_ms();
    struct list keys = {0};
    bool signs[JWS_PS256 + 1] = {false};

    TRY(db_find_many(ctx, &signing_key_schema, &(struct db_find){.limit = DB_MAX_RESULTS}, &keys));

    const struct signing_key *key = keys.items;
    struct signing_key_view *views = arena_array(ctx->arena, keys.count + 1, sizeof *views);
    size_t count = 0;

    if (views == NULL)
        return ERR_MEMORY;
    for (size_t i = 0; i < keys.count; i++) {
        if (!has_ended(&key[i], now))
            views[count++] = (struct signing_key_view){.key = key[i]};
    }
    qsort(views, count, sizeof *views, newest_first);
    for (size_t i = 0; i < count; i++) {
        bool *of_alg = &signs[jws_alg_named(views[i].key.alg)];

        if (signing_key_begins(&views[i].key) > now)
            views[i].state = SIGNING_KEY_NEXT;
        else
            views[i].state = *of_alg ? SIGNING_KEY_PREVIOUS : SIGNING_KEY_CURRENT;
        *of_alg = *of_alg || views[i].state == SIGNING_KEY_CURRENT;
    }
    *ret_views = (struct list){.items = views, .count = count};
    return ERR_OK;
}

/* The first one of that algorithm in that state, or NULL. */
static const struct signing_key *find_state(const struct list *views, const char *alg,
                                            enum signing_key_state state)
{
    const struct signing_key_view *view = views->items;

    for (size_t i = 0; i < views->count; i++) {
        if (view[i].state == state && strcmp(view[i].key.alg, alg) == 0)
            return &view[i].key;
    }
    return NULL;
}

/* --- rotating --- */

struct rotation {
    struct signing_key *key;
    int64_t after_ms;
};

/* Written whether it changes anything or not: two rotations at once conflict here. */
static enum err retire(struct ctx *ctx, const struct signing_key *key, int64_t ends_at)
{
    AUTO(bson_destroy) bson_t *filter = bson_new();
    AUTO(bson_destroy) bson_t *update = bson_new();
    bson_t set;

    bson_put_uuid(filter, "_id", &key->id);
    BSON_APPEND_DOCUMENT_BEGIN(update, "$set", &set);
    bson_put_time(&set, "expires_at", ends_at);
    bson_append_document_end(update, &set);
    return db_update_one(ctx, &signing_key_schema, filter, update);
}

static size_t count_of(const struct list *views, const char *alg)
{
    const struct signing_key_view *view = views->items;
    size_t count = 0;

    for (size_t i = 0; i < views->count; i++)
        count += strcmp(view[i].key.alg, alg) == 0;
    return count;
}

static enum err check_room(struct ctx *ctx, const struct list *views, const char *alg)
{
    const struct signing_key *next = find_state(views, alg, SIGNING_KEY_NEXT);
    const size_t count = count_of(views, alg);
    char time[TIME_TEXT_SIZE];

    if (next != NULL) {
        time_text(next->signs_from, time);
        return fail(ctx, ERR_CONFLICT, NULL, "A new key waits already: %s signs from %s.",
                    next->kid, time);
    }
    if (count >= KEY_SET_MAX)
        return fail(ctx, ERR_CONFLICT, NULL,
                    "%zu %s keys are published, and no more than that: each stays for a day after "
                    "it was replaced.",
                    count, alg);
    return ERR_OK;
}

/* What verifies nothing any longer: a set is read whole, and must not grow for ever. */
static enum err remove_ended(struct ctx *ctx)
{
    AUTO(bson_destroy)
    bson_t *filter = BCON_NEW("expires_at", "{", "$gt", BCON_DATE_TIME(0), "$lt",
                              BCON_DATE_TIME(clock_now_ms()), "}");
    int64_t removed = 0;

    return db_delete_many(ctx, &signing_key_schema, filter, &removed);
}

static enum err rotate(struct ctx *ctx, void *arg)
{
    struct rotation *rotation = arg;
    struct list views = {0};

    TRY(signing_key_list(ctx, &views));
    TRY(check_room(ctx, &views, rotation->key->alg));

    const struct signing_key *current = find_state(&views, rotation->key->alg, SIGNING_KEY_CURRENT);

    rotation->key->signs_from = clock_now_ms() + rotation->after_ms;
    rotation->key->state = signing_key_state_names[SIGNING_KEY_NEXT];
    if (current != NULL)
        TRY(retire(ctx, current, rotation->key->signs_from + TOKENS_END_MS));
    TRY(remove_ended(ctx));
    TRY(db_insert(ctx, &signing_key_schema, rotation->key));
    return audit_insert(ctx, "signing_key.rotated", "success", NULL, rotation->key->kid);
}

enum err signing_key_rotate(struct ctx *ctx, enum jws_alg alg, int64_t after_ms,
                            struct signing_key *ret_key)
{
    struct rotation rotation = {.key = ret_key, .after_ms = after_ms};

    TRY(keys_make_signing(ctx, alg, NULL, ret_key));
    return db_transaction(ctx, rotate, &rotation);
}

static bool is_due(const struct list *views, enum jws_alg alg, int64_t max_age_ms)
{
    const struct signing_key *current = find_state(views, jws_alg_name(alg), SIGNING_KEY_CURRENT);

    return current != NULL && signing_key_begins(current) + max_age_ms <= clock_now_ms() &&
           find_state(views, jws_alg_name(alg), SIGNING_KEY_NEXT) == NULL;
}

enum err signing_key_rotate_due(struct ctx *ctx, int64_t max_age_ms, size_t *ret_rotated)
{
    static const enum jws_alg algs[] = {JWS_ES256, JWS_RS256};
    struct list views = {0};

    *ret_rotated = 0;
    TRY(signing_key_list(ctx, &views));
    for (size_t i = 0; i < sizeof algs / sizeof algs[0]; i++) {
        struct signing_key made = {0};

        if (!is_due(&views, algs[i], max_age_ms))
            continue;

        const enum err rotated = signing_key_rotate(ctx, algs[i], SIGNING_KEY_NORMAL_MS, &made);

        if (rotated != ERR_OK && rotated != ERR_CONFLICT)
            return rotated;
        *ret_rotated += rotated == ERR_OK;
    }
    return ERR_OK;
}

/* --- revoking --- */

struct revocation_of_key {
    const char *kid;
    struct signing_key *spare, *new;
};

/* Not the one before it: that one ends soon, and may have leaked together with this one. */
static enum err bring_successor(struct ctx *ctx, struct revocation_of_key *work,
                                const struct signing_key *next)
{
    const int64_t now = clock_now_ms();
    AUTO(bson_destroy) bson_t *filter = bson_new();
    AUTO(bson_destroy) bson_t *update = bson_new();
    bson_t set;

    if (next == NULL) {
        *work->new = *work->spare;
        work->new->signs_from = now;
        return db_insert(ctx, &signing_key_schema, work->new);
    }
    *work->new = *next;
    work->new->signs_from = now;
    bson_put_uuid(filter, "_id", &next->id);
    BSON_APPEND_DOCUMENT_BEGIN(update, "$set", &set);
    bson_put_time(&set, "signs_from", now);
    bson_append_document_end(update, &set);
    return db_update_one(ctx, &signing_key_schema, filter, update);
}

static enum err take_away(struct ctx *ctx, void *arg)
{
    struct revocation_of_key *work = arg;
    AUTO(bson_destroy) bson_t *filter = BCON_NEW("kid", BCON_UTF8(work->kid));
    struct list views = {0};

    *work->new = (struct signing_key){0};
    TRY(signing_key_list(ctx, &views));
    TRY(db_delete_one(ctx, &signing_key_schema, filter));

    const struct signing_key *current = find_state(&views, work->spare->alg, SIGNING_KEY_CURRENT);

    if (current == NULL || strcmp(current->kid, work->kid) == 0)
        TRY(bring_successor(ctx, work, find_state(&views, work->spare->alg, SIGNING_KEY_NEXT)));
    return audit_insert(ctx, "signing_key.revoked", "success", NULL, work->kid);
}

/* Another key of the same algorithm takes its place. */
static enum err find_alg(struct ctx *ctx, const char *kid, enum jws_alg *ret_alg)
{
    AUTO(bson_destroy) bson_t *filter = BCON_NEW("kid", BCON_UTF8(kid));
    struct signing_key key = {0};

    TRY(db_find_one(ctx, &signing_key_schema, filter, &key));
    *ret_alg = jws_alg_named(key.alg);
    return ERR_OK;
}

enum err signing_key_revoke(struct ctx *ctx, const char *kid, struct signing_key *ret_new)
{
    enum jws_alg alg = JWS_UNSET;
    struct signing_key spare = {0};
    struct revocation_of_key work = {.kid = kid, .spare = &spare, .new = ret_new};

    TRY(find_alg(ctx, kid, &alg));
    TRY(keys_make_signing(ctx, alg, NULL, &spare));
    return db_transaction(ctx, take_away, &work);
}
