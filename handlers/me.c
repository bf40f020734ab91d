/* The caller's own user document: GET and merge patch (RFC 7396). */
#include "handlers/me.h"

#include "app/etag.h"
#include "models/tenant_rules.h"
#include "models/user.h"
#include "models/user_fields.h"

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
    struct user_fields fields;
    const char *wanted = NULL;
    struct user user = {0};

    TRY(request_query(req, "fields", &wanted));
    TRY(user_fields_parse(&req->ctx, wanted, &fields));
    TRY(read_me(req, &user));
    TRY(etag_set(req, res, user.version));
    if (etag_is_known(req, user.version))
        return respond_empty(res, 304);
    TRY(user_fields_apply(&req->ctx, &fields, &user));
    return respond(req, res, 200, &user);
}

static enum err build_patch(struct request *req, struct user_patch *ret_patch)
{
    struct user decoded = {0};

    TRY(schema_decode(&req->ctx, &user_schema, req->input, DECODE_PATCH, &decoded));
    *ret_patch = (struct user_patch){
        .name = decoded.name,
        .has_name = value_get(req->input, "name") != NULL,
        .custom_patch = value_get(req->input, "custom_fields"),
    };
    return ERR_OK;
}

/* Read, merge, write under the version read: another writer in between means once more. */
static enum err patch_once(struct request *req, struct user *ret_user)
{
    struct user_patch patch;
    struct user user = {0};
    int64_t version = 0; /* user_patch is bound to the one read in any case */

    TRY(read_me(req, &user));
    TRY(etag_match(req, user.version, &version));
    TRY(build_patch(req, &patch));
    if (!patch.has_name && patch.custom_patch == NULL) {
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
