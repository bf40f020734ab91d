/* The view of a tenant's users and the role that reads it. */
#include "models/profile.h"

#include "models/audit.h"
#include "models/tenant.h"
#include "models/user.h"

/* clang-format off */
const char *const profile_members[] = {
    "username", "username_typed", "email", "email_typed", "name", "role", "is_active",
    "is_email_verified", "custom_fields", "created_at", "updated_at", "last_login_at",
    "deletion_at", "version", NULL,
};
/* clang-format on */

/* Members keep their names, so that the database looks for them by the users' own indexes. */
static bson_t *make_pipeline(void)
{
    bson_t *pipeline = bson_new(), stage, members, version;

    BSON_APPEND_DOCUMENT_BEGIN(pipeline, "0", &stage);
    BSON_APPEND_DOCUMENT_BEGIN(&stage, "$project", &members);
    for (size_t i = 0; profile_members[i] != NULL; i++)
        bson_put_int(&members, profile_members[i], 1);
    BSON_APPEND_DOCUMENT_BEGIN(&members, "profile_version", &version);
    bson_put_int(&version, "$literal", PROFILE_VERSION);
    bson_append_document_end(&members, &version);
    bson_append_document_end(&stage, &members);
    bson_append_document_end(pipeline, &stage);
    return pipeline;
}

enum err profile_look(struct ctx *ctx, enum db_view_state *ret_state)
{
    AUTO(bson_destroy) bson_t *pipeline = make_pipeline();

    return db_view_look(ctx, &user_schema, pipeline, ret_state);
}

/* Structure is not changed in transactions: what is to happen is written down before. */
struct note {
    const char *action, *reason;
};

static enum err write_note(struct ctx *ctx, void *arg)
{
    const struct note *note = arg;

    return audit_insert(ctx, note->action, "success", NULL, note->reason);
}

static enum err audit(struct ctx *ctx, const char *action, const char *reason)
{
    return db_transaction(ctx, write_note, &(struct note){.action = action, .reason = reason});
}

enum err profile_make(struct ctx *ctx)
{
    AUTO(bson_destroy) bson_t *pipeline = make_pipeline();

    TRY(audit(ctx, "profiles.made", NULL));
    return db_view_put(ctx, &user_schema, pipeline);
}

static enum err require_view(struct ctx *ctx)
{
    enum db_view_state state = DB_VIEW_UNSET;

    TRY(profile_look(ctx, &state));
    if (state != DB_VIEW_ABSENT)
        return ERR_OK;
    return fail(ctx, ERR_NOT_FOUND, NULL, "%s has no view of its users; make it first.",
                ctx->tenant->slug);
}

enum err profile_drop(struct ctx *ctx)
{
    TRY(require_view(ctx));
    TRY(audit(ctx, "profiles.dropped", NULL));
    return db_view_drop(ctx, &user_schema);
}

enum err profile_purge(struct ctx *ctx)
{
    return db_view_drop(ctx, &user_schema);
}

static enum err describe(struct ctx *ctx, const struct profile_role *role, struct db_role *ret_role)
{
    ret_role->name = arena_printf(ctx->arena, "tenantd_profiles_%s", ctx->tenant->slug);
    ret_role->watches = role->watches;
    return ret_role->name != NULL ? ERR_OK : fail_internal(ctx, ERR_MEMORY, "no memory for a name");
}

enum err profile_role_describe(struct ctx *ctx, struct profile_role *role)
{
    struct db_role wanted = {0};

    TRY(require_view(ctx));
    TRY(describe(ctx, role, &wanted));
    role->name = wanted.name;
    return db_role_command(ctx, &user_schema, &wanted, &role->command);
}

enum err profile_role_make(struct ctx *ctx, struct profile_role *role, bool *ret_allowed)
{
    struct db_role wanted = {0};

    TRY(profile_role_describe(ctx, role));
    TRY(describe(ctx, role, &wanted));
    TRY(audit(ctx, "profiles.role_made", role->watches ? "watches" : NULL));
    return db_role_put(ctx, &user_schema, &wanted, ret_allowed);
}
