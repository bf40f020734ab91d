/* GET /users/export. */
#include "app/stream.h"
#include "handlers/users_transfer.h"
#include "models/scope.h"
#include "models/tenant.h"
#include "models/user_authority.h"
#include "models/user_export.h"

struct query {
    const char *filter;
    struct uuid after;
};

/* clang-format off */
static const struct field query_fields[] = {
    FIELD_STR(struct query, filter, "filter", F_NONE, 1, INT32_MAX, .doc = "Only users whom it finds, as GET /users."),
    FIELD_UUID(struct query, after, "after", F_NONE, .doc = "Only users behind this id: goes on with an export that was cut, where its last whole line ended. Not with a filter."),
};
const struct schema users_export_query_schema = {
    .name = "users_export_query", .size = sizeof(struct query), SCHEMA_FIELDS(query_fields),
};
/* clang-format on */

/* A long export ends with the rights of whoever began it. */
static enum err part(struct ctx *ctx, void *arg, struct buf *out, bool *ret_done)
{
    struct user_export *export = arg;

    if (export->told)
        TRY(user_authority_lasts(ctx, ROLE_OWNER));
    return user_export_part(ctx, export, out, ret_done);
}

/* People never see hashes: whoever is to move a tenant gives a key the scope for it. */
static bool may_see_hashes(const struct identity *who)
{
    return who->credential == CREDENTIAL_KEY && scope_has(who->scope, "users:hashes");
}

enum err handle_users_export(struct request *req, struct response *res)
{
    const char *name = arena_printf(req->ctx.arena, "attachment; filename=\"users-%s.ndjson\"",
                                    req->ctx.tenant->slug);
    struct user_export *export = ARENA_NEW(req->ctx.arena, struct user_export);
    struct query query;

    if (name == NULL || export == NULL)
        return ERR_MEMORY;
    TRY(request_query_input(req, &query));
    if (query.filter != NULL && !uuid_is_zero(&query.after))
        return fail(&req->ctx, ERR_VALIDATION, "after", "after does not go with a filter.");
    export->filter = query.filter;
    export->after = query.after;
    export->with_hashes = may_see_hashes(&req->ctx.who);
    response_header(res, "Content-Disposition", name);
    return respond_stream(req, res, "application/x-ndjson", part, export);
}
