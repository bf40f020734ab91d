/* Users: the field table and the queries. What is typed is kept for display; what is unique is
 * canonical. */
#include "models/user.h"

#include <string.h>

#include "app/clock.h"
#include "app/document.h"
#include "app/text.h"
#include "models/custom_fields.h"
#include "models/custom_index.h"
#include "models/user_standing.h"

const char *const role_names[] = {NULL, "user", "admin", "owner", NULL};

/* clang-format off */
static const struct field user_fields[] = {
    FIELD_UUID(struct user, id, "id", F_READONLY | F_REQUIRED, .bson = "_id", .doc = "Stable id of the user."),
    FIELD_UUID(struct user, tenant_id, "tenant_id", F_READONLY | F_INTERNAL | F_REQUIRED),
    FIELD_STR(struct user, username, "username", F_READONLY, 1, 64, .bson = "username_typed"),
    FIELD_STR(struct user, username_canonical, "username_canonical", F_READONLY | F_INTERNAL, 1, 192, .bson = "username"),
    FIELD_STR(struct user, email, "email", F_READONLY, 3, 254, .bson = "email_typed"),
    FIELD_STR(struct user, email_canonical, "email_canonical", F_READONLY | F_INTERNAL, 3, 762, .bson = "email"),
    FIELD_STR(struct user, name, "name", F_PATCH | F_TRIM | F_NULL_CLEARS, 1, 200, .check = text_check_name, .doc = "Display name."),
    FIELD_STR(struct user, password_hash, "password_hash", F_READONLY | F_SECRET, 1, 256),
    FIELD_ENUM(struct user, role, "role", F_READONLY | F_REQUIRED, role_names),
    FIELD_DOC(struct user, custom_fields, "custom_fields", F_PATCH | F_ALWAYS | F_NULL_CLEARS | F_NOT_STORED, .doc = "Any JSON object within the limits; with a schema what it allows, and what the caller may see."),
    FIELD_DOC(struct user, stored_fields, "stored_fields", F_READONLY | F_INTERNAL, .bson = "custom_fields"),
    FIELD_BOOL(struct user, is_active, "is_active", F_READONLY | F_REQUIRED),
    FIELD_BOOL(struct user, is_email_verified, "is_email_verified", F_READONLY | F_REQUIRED),
    FIELD_INT(struct user, security_epoch, "security_epoch", F_READONLY | F_INTERNAL, 0, INT64_MAX),
    FIELD_TIME(struct user, created_at, "created_at", F_READONLY | F_REQUIRED),
    FIELD_TIME(struct user, updated_at, "updated_at", F_READONLY | F_REQUIRED),
    FIELD_TIME(struct user, last_login_at, "last_login_at", F_READONLY),
    FIELD_TIME(struct user, strange_login_at, "strange_login_at", F_READONLY | F_INTERNAL),
    FIELD_TIME(struct user, deletion_at, "deletion_at", F_READONLY, .doc = "Only of a closed account: when it is removed."),
    FIELD_INT(struct user, version, "version", F_READONLY | F_REQUIRED, 1, INT64_MAX),
};
/* clang-format on */

const struct schema user_schema = {
    .name = "user",
    .per_tenant_collection = true,
    .size = sizeof(struct user),
    SCHEMA_FIELDS(user_fields),
    .mask_offset = offsetof(struct user, shown),
    .loaded = custom_fields_loaded,
};

const struct db_index user_indexes[] = {
    {.name = "email_1",
     .keys = (const char *const[]){"email", NULL},
     .unique = true,
     .partial_exists = "email",
     .ttl_seconds = -1},
    {.name = "username_1",
     .keys = (const char *const[]){"username", NULL},
     .unique = true,
     .partial_exists = "username",
     .ttl_seconds = -1},
    {.name = "created_at_1",
     .keys = (const char *const[]){"created_at", "_id", NULL},
     .ttl_seconds = -1},
    {.name = USER_STANDING_INDEX,
     .keys = (const char *const[]){"is_active", "role", "_id", NULL},
     .partial = USER_STANDING_PARTIAL,
     .ttl_seconds = -1},
};
const size_t user_index_count = sizeof user_indexes / sizeof user_indexes[0];

static enum err find_by(struct ctx *ctx, const char *element, const char *canonical,
                        struct user *ret_user)
{
    AUTO(bson_destroy) bson_t *filter = bson_new();

    bson_put_text(filter, element, canonical);
    return db_find_one(ctx, &user_schema, filter, ret_user);
}

enum err user_find(struct ctx *ctx, const struct uuid *id, struct user *ret_user)
{
    AUTO(bson_destroy) bson_t *filter = bson_new();

    bson_put_uuid(filter, "_id", id);
    return db_find_one(ctx, &user_schema, filter, ret_user);
}

enum err user_find_by_login(struct ctx *ctx, const char *login, struct user *ret_user)
{
    const char *canonical = NULL;

    TRY(text_canonical(ctx, login, &canonical));
    return find_by(ctx, strchr(canonical, '@') != NULL ? "email" : "username", canonical, ret_user);
}

/* Which of the unique names the database refused. */
enum err user_taken(struct ctx *ctx)
{
    const char *index = ctx->failure.field;

    if (index != NULL && strcmp(index, "email_1") == 0)
        return fail(ctx, ERR_EMAIL_TAKEN, "email", "This e-mail address is taken.");
    if (index != NULL && strcmp(index, "username_1") == 0)
        return fail(ctx, ERR_USERNAME_TAKEN, "username", "This user name is taken.");
    const char *pointer =
        ctx->failure.path != NULL ? custom_field_pointer(ctx, ctx->failure.path) : NULL;

    return fail(ctx, ERR_VALUE_TAKEN, pointer, "This value is taken: another user has it%s%s.",
                pointer != NULL ? " in " : "", pointer != NULL ? pointer : "");
}

enum err user_begin(struct ctx *ctx, struct user *user)
{
    if (uuid_is_zero(&user->id))
        user->id = uuid_new();
    user->tenant_id = ctx->tenant_id;
    if (user->username != NULL)
        TRY(text_canonical(ctx, user->username, &user->username_canonical));
    if (user->email != NULL)
        TRY(text_canonical(ctx, user->email, &user->email_canonical));
    user->created_at = user->updated_at = clock_now_ms();
    user->security_epoch = 1;
    user->version = 1;
    return ERR_OK;
}

enum err user_insert(struct ctx *ctx, struct user *user)
{
    TRY(user_begin(ctx, user));

    const enum err inserted = db_insert(ctx, &user_schema, user);

    return inserted == ERR_CONFLICT ? user_taken(ctx) : inserted;
}

enum err user_touch_login(struct ctx *ctx, struct user *user, bool on_known_device)
{
    AUTO(bson_destroy) bson_t *filter = bson_new();
    AUTO(bson_destroy)
    bson_t *update =
        on_known_device
            ? BCON_NEW("0", "{", "$set", "{", "last_login_at", BCON_UTF8("$$NOW"), "}", "}")
            : BCON_NEW("0", "{", "$set", "{", "last_login_at", BCON_UTF8("$$NOW"),
                       "strange_login_at", BCON_UTF8("$$NOW"), "}", "}");
    const struct db_change change = {.filter = filter, .update = update, .pipeline = true};
    struct user after = {0};

    bson_put_uuid(filter, "_id", &user->id);
    TRY(db_find_and_update(ctx, &user_schema, &change, &after));
    user->last_login_at = after.last_login_at;
    return ERR_OK;
}

enum err user_rehash(struct ctx *ctx, const struct user *user, const char *new_hash)
{
    AUTO(bson_destroy) bson_t *filter = bson_new();
    AUTO(bson_destroy)
    bson_t *update = BCON_NEW("$set", "{", "password_hash", BCON_UTF8(new_hash), "}");

    bson_put_uuid(filter, "_id", &user->id);
    bson_put_text(filter, "password_hash", user->password_hash);
    return db_update_one(ctx, &user_schema, filter, update);
}

enum err user_set_password(struct ctx *ctx, const struct user *user, const char *new_hash)
{
    AUTO(bson_destroy) bson_t *filter = bson_new();
    AUTO(bson_destroy)
    bson_t *update = BCON_NEW("$set", "{", "password_hash", BCON_UTF8(new_hash), "updated_at",
                              BCON_DATE_TIME(clock_now_ms()), "}", "$inc", "{", "security_epoch",
                              BCON_INT64(1), "version", BCON_INT64(1), "}");

    bson_put_uuid(filter, "_id", &user->id);
    bson_put_int(filter, "security_epoch", user->security_epoch);

    const enum err updated = db_update_one(ctx, &user_schema, filter, update);

    return updated == ERR_NOT_FOUND
               ? fail(ctx, ERR_CONFLICT, NULL, "The account was changed meanwhile; sign in again.")
               : updated;
}

enum err user_raise_epoch(struct ctx *ctx, const struct uuid *id, int64_t *ret_epoch)
{
    AUTO(bson_destroy) bson_t *filter = bson_new();
    AUTO(bson_destroy) bson_t *update = BCON_NEW("$inc", "{", "security_epoch", BCON_INT64(1), "}");
    struct user user = {0};

    bson_put_uuid(filter, "_id", id);
    TRY(db_find_and_update(ctx, &user_schema,
                           &(struct db_change){.filter = filter, .update = update}, &user));
    *ret_epoch = user.security_epoch;
    return ERR_OK;
}

/* The update of a profile: $set of what is given, $unset of a name that was cleared. */
static void build_patch(const struct user_patch *patch, bson_t *update)
{
    bson_t set, unset, inc;

    BSON_APPEND_DOCUMENT_BEGIN(update, "$set", &set);
    bson_put_time(&set, "updated_at", clock_now_ms());
    if (patch->has_name && patch->name != NULL)
        bson_put_text(&set, "name", patch->name);
    if (patch->has_custom_fields || patch->custom_patch != NULL) {
        bson_t fields;

        if (document_view(&patch->custom_fields, &fields))
            BSON_APPEND_DOCUMENT(&set, "custom_fields", &fields);
    }
    bson_append_document_end(update, &set);
    if (patch->has_name && patch->name == NULL) {
        BSON_APPEND_DOCUMENT_BEGIN(update, "$unset", &unset);
        bson_put_int(&unset, "name", 1);
        bson_append_document_end(update, &unset);
    }
    BSON_APPEND_DOCUMENT_BEGIN(update, "$inc", &inc);
    bson_put_int(&inc, "version", 1);
    bson_append_document_end(update, &inc);
}

static enum err patch_once(struct ctx *ctx, const struct user *user, const struct user_patch *patch,
                           struct bytes *stored, struct user *ret_user)
{
    AUTO(bson_destroy) bson_t *filter = bson_new();
    AUTO(bson_destroy) bson_t *update = bson_new();
    struct user_patch settled = *patch;

    if (patch->has_custom_fields || patch->custom_patch != NULL)
        TRY(custom_fields_settle(ctx,
                                 &(struct custom_write){.user_id = user->id,
                                                        .before = user->stored_fields,
                                                        .patch = patch->custom_patch,
                                                        .document = &patch->custom_fields,
                                                        .party = SHAPE_USER},
                                 &settled.custom_fields));
    if (patch->has_custom_fields || patch->custom_patch != NULL)
        *stored = settled.custom_fields;
    bson_put_uuid(filter, "_id", &user->id);
    bson_put_int(filter, "version", user->version);
    build_patch(&settled, update);

    const enum err updated = db_find_and_update(
        ctx, &user_schema, &(struct db_change){.filter = filter, .update = update}, ret_user);

    if (updated == ERR_CONFLICT)
        return user_taken(ctx);
    return updated == ERR_NOT_FOUND ? ERR_CONFLICT : updated;
}

enum err user_patch(struct ctx *ctx, const struct user *user, const struct user_patch *patch,
                    struct user *ret_user)
{
    for (int tries = 1;; tries++) {
        struct bytes stored = user->stored_fields;
        const enum err patched = patch_once(ctx, user, patch, &stored, ret_user);

        if (patched != ERR_DOCUMENT_REFUSED)
            return patched;
        TRY(custom_fields_refused(ctx, &user->id, &stored, tries));
    }
}

uint64_t user_field_bit(const char *name)
{
    const int index = schema_field_index(&user_schema, name);

    return index >= 0 ? UINT64_C(1) << index : 0;
}

/* {$set: what the mask names and after has, $unset: what it has not, $inc: the counters}. */
static void build_rewrite(const struct user_write *write, bson_t *update)
{
    bson_t set, unset = BSON_INITIALIZER, inc;

    BSON_APPEND_DOCUMENT_BEGIN(update, "$set", &set);
    (void)schema_to_bson_masked(&user_schema, write->after, write->mask, "", &set);
    for (size_t i = 0; i < user_schema.field_count; i++) {
        const struct field *field = &user_schema.fields[i];
        const char *name = field->bson != NULL ? field->bson : field->name;

        if ((write->mask >> i & 1) != 0 && !bson_has_field(&set, name))
            bson_put_int(&unset, name, 1);
    }
    bson_put_time(&set, "updated_at", clock_now_ms());
    bson_append_document_end(update, &set);
    if (!bson_empty(&unset))
        BSON_APPEND_DOCUMENT(update, "$unset", &unset);
    bson_destroy(&unset);
    BSON_APPEND_DOCUMENT_BEGIN(update, "$inc", &inc);
    bson_put_int(&inc, "version", 1);
    if (write->new_epoch)
        bson_put_int(&inc, "security_epoch", 1);
    bson_append_document_end(update, &inc);
}

enum err user_rewrite(struct ctx *ctx, const struct user_write *write, struct user *ret_user)
{
    AUTO(bson_destroy) bson_t *filter = bson_new();
    AUTO(bson_destroy) bson_t *update = bson_new();
    struct user user = {0};

    bson_put_uuid(filter, "_id", &write->after->id);
    build_rewrite(write, update);

    const enum err written = db_find_and_update(
        ctx, &user_schema, &(struct db_change){.filter = filter, .update = update}, &user);

    if (written == ERR_CONFLICT)
        return user_taken(ctx);
    TRY(written);
    *ret_user = user;
    return ERR_OK;
}

enum err user_delete(struct ctx *ctx, const struct uuid *id)
{
    AUTO(bson_destroy) bson_t *filter = bson_new();

    bson_put_uuid(filter, "_id", id);
    return db_delete_one(ctx, &user_schema, filter);
}

static enum err list(struct ctx *ctx, const struct uuid *after, struct db_find *find,
                     struct list *ret_users)
{
    AUTO(bson_destroy) bson_t *filter = bson_new();
    AUTO(bson_destroy) bson_t *sort = BCON_NEW("_id", BCON_INT32(1));

    if (after != NULL && !uuid_is_zero(after)) {
        bson_t range;

        BSON_APPEND_DOCUMENT_BEGIN(filter, "_id", &range);
        bson_put_uuid(&range, "$gt", after);
        bson_append_document_end(filter, &range);
    }
    find->filter = filter;
    find->sort = sort;
    return db_find_many(ctx, &user_schema, find, ret_users);
}

enum err user_list(struct ctx *ctx, const struct uuid *after, int64_t limit, struct list *ret_users)
{
    return list(ctx, after, &(struct db_find){.limit = limit}, ret_users);
}

enum err user_list_page(struct ctx *ctx, const struct uuid *after, int64_t limit, bool *ret_cut,
                        struct list *ret_users)
{
    struct db_find find = {.limit = limit, .most_bytes = DB_PAGE_BYTES, .ret_cut = ret_cut};

    return list(ctx, after, &find, ret_users);
}
