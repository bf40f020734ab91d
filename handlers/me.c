/* The caller's own user document: GET and merge patch (RFC 7396). */
#include "handlers/me.h"

#include "app/document.h"
#include "app/etag.h"
#include "models/tenant_rules.h"
#include "models/user.h"

#define PATCH_TRIES 8

static enum err read_me(struct request *req, struct user *ret_user)
{
    const enum err found = user_find(&req->ctx, &req->ctx.who.user_id, ret_user);

    return found == ERR_NOT_FOUND || (found == ERR_OK && !ret_user->is_active)
               ? (req->ctx.who.credential == CREDENTIAL_SESSION ? ERR_UNAUTHENTICATED
                                                                : ERR_BAD_TOKEN)
               : found;
}

enum err handle_me_get(struct request *req, struct response *res)
{
    struct user user = {0};

    TRY(read_me(req, &user));
    TRY(etag_set(req, res, user.version));
    return respond(req, res, 200, &user);
}

/* The patch against the user as just read: names checked by the field table, custom fields merged.
 */
static enum err build_patch(struct request *req, const struct user *user,
                            struct user_patch *ret_patch)
{
    const struct value *custom_fields = value_get(req->input, "custom_fields");
    struct user decoded = {0};

    TRY(schema_decode(&req->ctx, &user_schema, req->input, DECODE_PATCH, &decoded));
    *ret_patch = (struct user_patch){
        .name = decoded.name,
        .has_name = value_get(req->input, "name") != NULL,
        .has_custom_fields = custom_fields != NULL,
    };
    /* null removes the member (RFC 7396): what is left of it is {}. */
    if (custom_fields == NULL || custom_fields->type == VALUE_NULL)
        return ERR_OK;
    return document_merge(&req->ctx, "custom_fields", &user->custom_fields, custom_fields,
                          &ret_patch->custom_fields);
}

/* Read, merge, write under the version read: another writer in between means once more. */
static enum err patch_once(struct request *req, struct user *ret_user)
{
    struct user_patch patch;
    struct user user = {0};
    int64_t version = 0; /* user_patch is bound to the one read in any case */

    TRY(read_me(req, &user));
    TRY(etag_match(req, user.version, &version));
    TRY(build_patch(req, &user, &patch));
    if (!patch.has_name && !patch.has_custom_fields) {
        *ret_user = user;
        return ERR_OK;
    }
    return user_patch(&req->ctx, &user, &patch, ret_user);
}

enum err handle_me_patch(struct request *req, struct response *res)
{
    struct user user = {0};
    enum err patched = ERR_CONFLICT;

    TRY(etag_demand(req, tenant_requires_if_match(&req->ctx)));
    for (int i = 0; i < PATCH_TRIES && patched == ERR_CONFLICT; i++) {
        fail_clear(&req->ctx);
        patched = patch_once(req, &user);
    }
    TRY(patched);
    TRY(etag_set(req, res, user.version));
    return respond(req, res, 200, &user);
}
