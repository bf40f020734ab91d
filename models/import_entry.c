/* One line: read, checked, hashed, merged into who is there. Everything by the rules of ordinary
 * creation and change (models/sign_up.c, models/user_admin.c). */
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "app/app.h"
#include "app/clock.h"
#include "app/json.h"
#include "app/password.h"
#include "app/secret.h"
#include "app/text.h"
#include "models/custom_fields.h"
#include "models/import_internal.h"
#include "models/password_policy.h"

#define POLITE_MS  20
#define EMPTY_BSON 5   /* bytes */
#define PATIENCE   100 /* times: then a hash is made, whoever waits */
#define LINE_ONE   "Line 1, "
#define THE_BODY   "The body "

/* ---- mistakes ---- */

/* "email" and "settings.a" are "/email" and "/settings/a". */
static const char *pointer_of(struct ctx *ctx, const char *field)
{
    char *pointer;

    if (field == NULL || field[0] == '\0' || field[0] == '/')
        return field != NULL && field[0] != '\0' ? field : NULL;
    pointer = arena_printf(ctx->arena, "/%s", field);
    for (char *at = pointer; at != NULL && *at != '\0'; at++) {
        if (*at == '.')
            *at = '/';
    }
    return pointer;
}

enum err import_entry_refuse(struct ctx *ctx, struct import_entry *entry, enum err err)
{
    const struct error_info *info = error_info(err);
    const char *detail = ctx->failure.detail;

    if (info->status != 400 && info->status != 403 && info->status != 409)
        return err;
    entry->refused = true;
    entry->error = info->code;
    entry->pointer = pointer_of(ctx, ctx->failure.field);
    entry->message = detail != NULL ? detail : info->sentence;
    /* The parser knows of one line only. */
    if (err == ERR_JSON && strncmp(entry->message, LINE_ONE, sizeof LINE_ONE - 1) == 0)
        entry->message = arena_printf(ctx->arena, "C%s", entry->message + sizeof LINE_ONE);
    else if (err == ERR_JSON && strncmp(entry->message, THE_BODY, sizeof THE_BODY - 1) == 0)
        entry->message =
            arena_printf(ctx->arena, "The line %s", entry->message + sizeof THE_BODY - 1);
    fail_clear(ctx);
    return ERR_OK;
}

/* ---- reading ---- */

static enum err check_role(struct ctx *ctx, const struct import_work *work,
                           const struct user_line *in)
{
    if (in->role > (int)work->authority.role)
        return fail(ctx, ERR_ROLE_NOT_GRANTED, "role",
                    "Nobody gives a role above their own: \"%s\" cannot make an \"%s\".",
                    role_names[work->authority.role], role_names[in->role]);
    if (in->role == ROLE_OWNER && ctx->who.credential != CREDENTIAL_PLATFORM)
        return fail(ctx, ERR_ROLE_NOT_GRANTED, "role",
                    "Owners are imported by the operator alone, with \"tenantd import\".");
    return ERR_OK;
}

static enum err check_password(struct ctx *ctx, const struct import_work *work,
                               struct user_line *in)
{
    const struct password_owner owner = {
        .username = in->username, .email = in->email, .name = in->name};

    if (in->password != NULL && in->password_hash != NULL)
        return fail(ctx, ERR_VALIDATION, "password_hash",
                    "A user has password or password_hash, not both.");
    if (in->password_hash != NULL && !work->input->with_hashes)
        return fail(ctx, ERR_SCOPE, "password_hash",
                    "A password_hash needs the scope \"users:hashes\".");
    if (in->password == NULL)
        return ERR_OK;
    TRY(password_policy_prepare(ctx, "password", in->password, &in->password));
    return password_policy_check(ctx, "password", in->password, &owner);
}

static uint64_t key_of(const void *bytes, size_t size)
{
    const uint64_t hash = secret_table_hash(bytes, size);

    return hash != 0 ? hash : 1; /* 0 is none */
}

/* What the user would be if nobody is there yet; custom fields are settled later, when it is known
 * whether there is somebody. */
static enum err build(struct ctx *ctx, struct import_entry *entry)
{
    const struct user_line *in = &entry->in;
    const int64_t now = clock_now_ms();
    const bool has_id = !uuid_is_zero(&in->id);
    struct user *user = &entry->given;

    *user = (struct user){
        .id = has_id ? in->id : uuid_new(),
        .tenant_id = ctx->tenant_id,
        .username = in->username,
        .email = in->email,
        .name = in->name,
        .password_hash = in->password_hash,
        .role = in->role != ROLE_UNSET ? in->role : ROLE_USER,
        .is_active = !in->has_is_active || in->is_active,
        .is_email_verified = in->is_email_verified,
        /* Somebody of this id may have been deleted here, and what was issued to them revoked: the
         * epoch is beyond all that they had. */
        .security_epoch = has_id ? now / 1000 : 1,
        .created_at = in->created_at != 0 ? in->created_at : now,
        .last_login_at = in->last_login_at,
        .deletion_at = in->deletion_at,
        .version = 1,
    };
    user->updated_at = in->updated_at != 0   ? in->updated_at
                       : in->created_at != 0 ? in->created_at
                                             : now;
    if (in->username != NULL)
        TRY(text_canonical(ctx, in->username, &user->username_canonical));
    if (in->email != NULL)
        TRY(text_canonical(ctx, in->email, &user->email_canonical));
    if (has_id)
        entry->keys[0] = key_of(in->id.bytes, sizeof in->id.bytes);
    if (in->username != NULL)
        entry->keys[1] = key_of(user->username_canonical, strlen(user->username_canonical));
    if (in->email != NULL)
        entry->keys[2] = key_of(user->email_canonical, strlen(user->email_canonical));
    return ERR_OK;
}

static enum err read_line(struct ctx *ctx, const struct import_work *work,
                          struct import_entry *entry)
{
    struct user_line *in = &entry->in;
    struct value *value = ARENA_NEW(ctx->arena, struct value);

    if (value == NULL)
        return ERR_MEMORY;
    TRY(json_parse(ctx, entry->text, entry->length, value));
    TRY(schema_decode(ctx, &user_line_schema, value, DECODE_INPUT, in));
    entry->custom_fields = value_get(value, "custom_fields");
    if (in->username == NULL && in->email == NULL)
        return fail(ctx, ERR_VALIDATION, "email", "Missing: email or username");
    if (in->deletion_at != 0 && (!in->has_is_active || in->is_active))
        return fail(ctx, ERR_VALIDATION, "deletion_at",
                    "deletion_at belongs to a closed account: is_active must be false.");
    TRY(check_role(ctx, work, in));
    TRY(check_password(ctx, work, in));
    return build(ctx, entry);
}

enum err import_entry_read(struct ctx *ctx, const struct import_work *work,
                           struct import_entry *entry)
{
    const enum err read = read_line(ctx, work, entry);

    return read == ERR_OK ? ERR_OK : import_entry_refuse(ctx, entry, read);
}

/* ---- hashing ---- */

static void wait_a_little(void)
{
    const struct timespec pause = {.tv_sec = 0, .tv_nsec = POLITE_MS * 1000000L};

    (void)nanosleep(&pause, NULL);
}

/* Half of the hash threads at most are for imports, and hardly any while somebody waits to sign in.
 */
static bool may_hash(struct app *app, bool is_patient)
{
    struct hash_stats stats;

    hash_pool_stats(app->hashes, &stats);
    if (stats.waiting > 0 && is_patient)
        return false;

    const int64_t most = stats.threads > 1 ? (int64_t)stats.threads / 2 : 1;

    if (atomic_fetch_add(&app->bulk_hashes, 1) < most)
        return true;
    atomic_fetch_sub(&app->bulk_hashes, 1);
    return false;
}

enum err import_entry_hash(struct ctx *ctx, const struct import_work *work,
                           struct import_entry *entry)
{
    enum err err = ERR_BUSY;
    int waits = 0;

    while (err == ERR_BUSY) {
        TRY(job_go_on(ctx, work->run));
        if (!may_hash(ctx->app, waits < PATIENCE)) {
            waits++;
            wait_a_little();
            continue;
        }
        err = password_hash(ctx, entry->in.password, &entry->given.password_hash);
        atomic_fetch_sub(&ctx->app->bulk_hashes, 1);
        if (err != ERR_BUSY || clock_monotonic_ms() >= ctx->deadline)
            break;
        fail_clear(ctx);
        wait_a_little();
    }
    return err;
}

/* ---- merging ---- */

static bool same_text(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static void set_text(struct import_entry *entry, const char *field, const char **text,
                     const char *given)
{
    if (given == NULL || same_text(*text, given))
        return;
    *text = given;
    entry->mask |= user_field_bit(field);
}

static void merge_names(struct import_entry *entry)
{
    const struct user *given = &entry->given;
    struct user *user = &entry->user;
    const bool moved =
        given->email_canonical != NULL && !same_text(user->email_canonical, given->email_canonical);

    set_text(entry, "username", &user->username, given->username);
    set_text(entry, "username_canonical", &user->username_canonical, given->username_canonical);
    set_text(entry, "email", &user->email, given->email);
    set_text(entry, "email_canonical", &user->email_canonical, given->email_canonical);
    set_text(entry, "name", &user->name, given->name);
    if (moved)
        entry->ends = true;

    const bool verified = entry->in.has_is_email_verified ? entry->in.is_email_verified
                          : moved                         ? false
                                                          : user->is_email_verified;

    if (verified != user->is_email_verified) {
        user->is_email_verified = verified;
        entry->mask |= user_field_bit("is_email_verified");
    }
}

static enum err merge_rights(struct ctx *ctx, const struct import_work *work,
                             struct import_entry *entry)
{
    const bool self = user_authority_is_self(&work->authority, &entry->before);
    struct user *user = &entry->user;

    if (entry->in.role != ROLE_UNSET && entry->in.role != user->role) {
        if (self)
            return fail(ctx, ERR_FORBIDDEN, "role", "Nobody changes their own role.");
        user->role = entry->in.role;
        entry->mask |= user_field_bit("role");
        entry->ends = true;
    }
    if (entry->in.has_is_active && entry->in.is_active != user->is_active) {
        if (self)
            return fail(ctx, ERR_FORBIDDEN, "is_active", "Nobody deactivates their own account.");
        user->is_active = entry->in.is_active;
        entry->mask |= user_field_bit("is_active");
        entry->ends = true;
    }
    if (user->is_active && user->deletion_at != 0) {
        user->deletion_at = 0;
        entry->mask |= user_field_bit("deletion_at");
    }
    return ERR_OK;
}

/* No fields are the same as an object without members. */
static bool same_fields(const struct bytes *a, const struct bytes *b)
{
    if (a->size <= EMPTY_BSON && b->size <= EMPTY_BSON)
        return true;
    return a->size == b->size && (a->size == 0 || memcmp(a->data, b->data, a->size) == 0);
}

static enum err merge_fields(struct ctx *ctx, struct import_entry *entry)
{
    const struct user *before = &entry->before;
    struct bytes *stored = &entry->user.stored_fields;

    if (entry->custom_fields == NULL || entry->custom_fields->type == VALUE_NULL)
        return ERR_OK;
    TRY(custom_fields_settle(ctx,
                             &(struct custom_write){.user_id = before->id,
                                                    .before = before->stored_fields,
                                                    .patch = entry->custom_fields,
                                                    .party = custom_party(ctx)},
                             stored));
    if (!same_fields(stored, &before->stored_fields))
        entry->mask |= user_field_bit("stored_fields");
    return ERR_OK;
}

enum err import_entry_merge(struct ctx *ctx, const struct import_work *work,
                            struct import_entry *entry)
{
    const char *hash = entry->given.password_hash;

    TRY(user_authority_over(ctx, &work->authority, &entry->before));
    if (entry->in.password != NULL && !work->input->with_hashes)
        return fail(ctx, ERR_SCOPE, "password",
                    "Another password for somebody who is there needs the scope \"users:hashes\".");
    entry->user = entry->before;
    entry->mask = 0;
    entry->ends = false;
    merge_names(entry);
    TRY(merge_rights(ctx, work, entry));
    TRY(merge_fields(ctx, entry));
    if (hash != NULL && !same_text(hash, entry->before.password_hash)) {
        entry->user.password_hash = hash;
        entry->mask |= user_field_bit("password_hash");
        entry->ends = true;
    }
    return ERR_OK;
}

enum err import_entry_make(struct ctx *ctx, struct import_entry *entry)
{
    entry->user = entry->given;
    return custom_fields_settle(ctx,
                                &(struct custom_write){.user_id = entry->given.id,
                                                       .document = &entry->in.custom_fields,
                                                       .is_new = true,
                                                       .party = custom_party(ctx)},
                                &entry->user.stored_fields);
}
