/*
 * The first platform key. Its secret must be in somebody's hands before the database knows it, and
 * a secret that the database does not know must be in nobody's: so the text is drafted beside its
 * file first, and the draft becomes the file only when the key was stored.
 */
#include "app/app.h"
#include "app/clock.h"
#include "app/db.h"
#include "app/log.h"
#include "app/secret.h"
#include "app/secret_file.h"
#include "models/platform_key.h"

#define FIRST_LABEL "first key"

/* ERR_CONFLICT: there was a first key before. */
static enum err insert_first(struct ctx *ctx, const struct platform_key *key)
{
    struct platform_key first = *key;

    first.first = first.has_first = true;
    return platform_key_insert(ctx, &first);
}

/* The configuration's key is there already: then it must be the same, and stays as it is, also when
 * it has been revoked. */
static enum err check_known(struct ctx *ctx, const struct platform_key *given, bool *ret_known)
{
    AUTO(bson_destroy) bson_t *filter = bson_new();
    struct platform_key known = {0};

    bson_put_uuid(filter, "_id", &given->id);

    const enum err found = db_find_one(ctx, &platform_key_schema, filter, &known);

    *ret_known = found == ERR_OK;
    if (found == ERR_NOT_FOUND)
        return ERR_OK;
    TRY(found);
    if (known.hash.size == SHA256_SIZE &&
        secret_equal(known.hash.data, given->hash.data, SHA256_SIZE))
        return ERR_OK;
    return fail_internal(ctx, ERR_CONFLICT,
                         "the platform key of the configuration has the id of another one; make a "
                         "new one");
}

static enum err adopt(struct ctx *ctx, const char *text)
{
    struct platform_key key;
    bool known = false;

    TRY(platform_key_parse(ctx, text, &key));
    key.label = "configuration";
    key.created_at = clock_now_ms();
    TRY(check_known(ctx, &key, &known));
    if (known)
        return ERR_OK;

    enum err inserted = insert_first(ctx, &key);

    if (inserted == ERR_CONFLICT) {
        /* Another instance with the same configuration, or an installation that has keys: whoever
         * writes the configuration may add one. */
        fail_clear(ctx);
        TRY(check_known(ctx, &key, &known));
        inserted = known ? ERR_OK : platform_key_insert(ctx, &key);
    }
    return inserted;
}

static enum err has_any(struct ctx *ctx, bool *ret_any)
{
    struct list keys = {0};

    TRY(platform_key_list(ctx, 1, &keys));
    *ret_any = keys.count > 0;
    return ERR_OK;
}

static enum err make_first(struct ctx *ctx, const char *path)
{
    struct made_platform_key made;
    const char *draft = NULL;
    bool any = false;

    TRY(has_any(ctx, &any));
    if (any)
        return ERR_OK;
    TRY(platform_key_make(ctx, FIRST_LABEL, 0, &made));
    TRY(secret_file_draft(ctx, path, made.text, &draft));

    const enum err inserted = insert_first(ctx, &made.key);

    if (inserted == ERR_OK) {
        TRY(secret_file_keep(ctx, draft, path));
        log_event(LOG_INFO, "platform_key.created", "file", path, NULL);
        return ERR_OK;
    }
    if (db_outcome_unknown(ctx)) {
        /* It may be the installation's only key. */
        log_event(LOG_ERROR, "platform_key.unknown", "file", draft, NULL);
        return inserted;
    }
    secret_file_drop(draft);
    if (inserted == ERR_CONFLICT)
        fail_clear(ctx); /* another instance was first */
    return inserted == ERR_CONFLICT ? ERR_OK : inserted;
}

enum err platform_key_begin(struct ctx *ctx)
{
    const struct config *config = app_config(ctx->app);
    bool any = false;

    if (config->platform_key_text != NULL)
        return adopt(ctx, config->platform_key_text);
    if (config->platform_key_file != NULL)
        return make_first(ctx, config->platform_key_file);
    TRY(has_any(ctx, &any));
    if (!any)
        log_message(LOG_INFO, "platform_key.none",
                    "there is no platform key, so /admin is closed: set platform_key_file to where "
                    "the first one may be written, and start again");
    return ERR_OK;
}
