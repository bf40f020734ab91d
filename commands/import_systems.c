/* Auth0, Firebase, Supabase, Django, and any collection of MongoDB. */
#include <inttypes.h>
#include <string.h>

#include "app/clock.h"
#include "app/json.h"
#include "commands/import.h"

/* An object, or the text of one. */
static const struct value *object_at(struct ctx *ctx, const struct value *record, const char *name)
{
    const struct value *found = value_get(record, name);
    struct value *value;

    if (found == NULL || found->type != VALUE_STRING)
        return found != NULL && found->type == VALUE_OBJECT ? found : NULL;
    value = ARENA_NEW(ctx->arena, struct value);
    if (value != NULL && json_parse(ctx, found->string.text, found->string.length, value) == ERR_OK)
        return value;
    fail_clear(ctx);
    return NULL;
}

static const char *first_text(struct ctx *ctx, const struct value *record, const char *const *paths)
{
    const char *found = NULL;

    for (; *paths != NULL && found == NULL; paths++)
        found = from_text(ctx, record, *paths);
    return found;
}

#define FIRST_TEXT(ctx, record, ...) \
    first_text((ctx), (record), (const char *const[]){__VA_ARGS__, NULL})

/* ---- Auth0: a users' export (NDJSON), what its support sends with hashes, or the JSON of a bulk
 * import ---- */

static void auth0_password(struct ctx *ctx, const struct value *record, struct from_user *user)
{
    const char *algorithm = from_text(ctx, record, "custom_password_hash.algorithm");
    const char *value = from_text(ctx, record, "custom_password_hash.hash.value");

    user->password_hash = FIRST_TEXT(ctx, record, "passwordHash", "password_hash");
    if (user->password_hash != NULL || algorithm == NULL)
        return;
    if (value != NULL && (strcmp(algorithm, "bcrypt") == 0 || strcmp(algorithm, "argon2") == 0 ||
                          strcmp(algorithm, "pbkdf2") == 0))
        user->password_hash = value;
    else
        user->reason =
            arena_printf(ctx->arena, "the password's algorithm \"%.40s\" is not taken", algorithm);
}

static const char *convert_auth0(struct ctx *ctx, const struct from_options *options,
                                 const struct value *record, struct from_user *user)
{
    const struct value *app = object_at(ctx, record, "app_metadata");

    (void)options;
    user->username = FIRST_TEXT(ctx, record, "username", "Username");
    user->email = FIRST_TEXT(ctx, record, "email", "Email");
    user->name = FIRST_TEXT(ctx, record, "name", "Name", "nickname");
    user->is_active = !from_bool(record, "blocked", false);
    user->has_verified = user->email != NULL;
    user->is_verified = from_bool(record, "email_verified", from_bool(record, "Email Verified", 0));
    user->created_at = from_time(ctx, record, "created_at", 1);
    user->updated_at = from_time(ctx, record, "updated_at", 1);
    user->last_login_at = from_time(ctx, record, "last_login", 1);
    auth0_password(ctx, record, user);
    from_put_field_text(&user->fields, "old_id", FIRST_TEXT(ctx, record, "user_id", "Id", "_id"));
    from_put_fields(&user->fields, object_at(ctx, record, "user_metadata"));
    if (app != NULL && app->object.count > 0)
        from_put_field(&user->fields, "app_metadata", app);
    return NULL;
}

const struct from_system from_auth0 = {.name = "auth0", .convert = convert_auth0};

/* ---- Firebase: auth:export --format=json ---- */

/* Exports write the alphabet of URLs. */
static const char *ordinary_base64(struct ctx *ctx, const char *text)
{
    char *copy = arena_strdup(ctx->arena, text);

    for (char *at = copy; at != NULL && *at != '\0'; at++) {
        if (*at == '-')
            *at = '+';
        else if (*at == '_')
            *at = '/';
    }
    return copy;
}

static const char *convert_firebase(struct ctx *ctx, const struct from_options *options,
                                    const struct value *record, struct from_user *user)
{
    const char *hash = from_text(ctx, record, "passwordHash"),
               *salt = from_text(ctx, record, "salt");
    const struct value *claims = object_at(ctx, record, "customAttributes");

    user->email = from_text(ctx, record, "email");
    user->name = from_text(ctx, record, "displayName");
    user->is_active = !from_bool(record, "disabled", false);
    user->has_verified = user->email != NULL;
    user->is_verified = from_bool(record, "emailVerified", false);
    user->created_at = from_time(ctx, record, "createdAt", 1);
    user->last_login_at = from_time(ctx, record, "lastSignedInAt", 1);
    from_put_field_text(&user->fields, "old_id", from_text(ctx, record, "localId"));
    from_put_field_text(&user->fields, "phone_number", from_text(ctx, record, "phoneNumber"));
    from_put_field_text(&user->fields, "picture", from_text(ctx, record, "photoUrl"));
    if (claims != NULL)
        from_put_field(&user->fields, "claims", claims);
    if (user->email == NULL)
        return "has no e-mail address (signed in by telephone or not at all)";
    if (hash == NULL || salt == NULL)
        user->reason = "signed in by another provider: there is no password";
    else if (options->signer_key == NULL)
        user->reason = "without --hash-config nobody can verify the password";
    else
        user->password_hash =
            arena_printf(ctx->arena, "$firebase-scrypt$ln=%" PRId64 ",r=%" PRId64 "$%s$%s$%s$%s",
                         options->mem_cost, options->rounds, ordinary_base64(ctx, salt),
                         ordinary_base64(ctx, options->salt_separator),
                         ordinary_base64(ctx, options->signer_key), ordinary_base64(ctx, hash));
    return NULL;
}

const struct from_system from_firebase = {
    .name = "firebase", .list = "users", .convert = convert_firebase};

/* ---- Supabase: the table auth.users as CSV or JSON ---- */

/* Bans end by themselves, and stay in the table. */
static bool is_banned(struct ctx *ctx, const struct value *record)
{
    const char *until = from_time(ctx, record, "banned_until", 1000);
    int64_t ms = 0;

    if (from_text(ctx, record, "banned_until") == NULL)
        return false;
    return until == NULL || !time_parse(until, &ms) || ms > clock_now_ms();
}

static const char *convert_supabase(struct ctx *ctx, const struct from_options *options,
                                    const struct value *record, struct from_user *user)
{
    const struct value *own = object_at(ctx, record, "raw_user_meta_data");
    const struct value *app = object_at(ctx, record, "raw_app_meta_data");

    (void)options;
    if (from_text(ctx, record, "deleted_at") != NULL)
        return "was deleted";
    user->id = from_text(ctx, record, "id");
    user->email = from_text(ctx, record, "email");
    user->password_hash = from_text(ctx, record, "encrypted_password");
    user->name = own != NULL ? FIRST_TEXT(ctx, own, "full_name", "name") : NULL;
    user->is_active = !is_banned(ctx, record);
    user->has_verified = user->email != NULL;
    user->is_verified = FIRST_TEXT(ctx, record, "email_confirmed_at", "confirmed_at") != NULL;
    user->created_at = from_time(ctx, record, "created_at", 1000);
    user->updated_at = from_time(ctx, record, "updated_at", 1000);
    user->last_login_at = from_time(ctx, record, "last_sign_in_at", 1000);
    from_put_fields(&user->fields, own);
    if (app != NULL && app->object.count > 0)
        from_put_field(&user->fields, "app_metadata", app);
    from_put_field_text(&user->fields, "phone", from_text(ctx, record, "phone"));
    if (user->email == NULL)
        return "has no e-mail address (signed in by telephone or not at all)";
    if (user->password_hash == NULL)
        user->reason = "signed in by another provider: there is no password";
    return NULL;
}

const struct from_system from_supabase = {
    .name = "supabase", .csv = true, .convert = convert_supabase};

/* ---- Django: dumpdata of auth.User or a user model of one's own ---- */

static void django_fields(const struct value *fields, struct from_user *user)
{
    static const char *const known[] = {"username",  "email",           "password",   "first_name",
                                        "last_name", "is_active",       "last_login", "date_joined",
                                        "groups",    "user_permissions"};

    for (size_t i = 0; i < fields->object.count; i++) {
        const struct member *member = &fields->object.members[i];
        bool is_known = false;

        for (size_t j = 0; j < sizeof known / sizeof known[0]; j++)
            is_known = is_known || strcmp(known[j], member->name) == 0;
        if (!is_known)
            from_put_field(&user->fields, member->name, &member->value);
    }
}

static const char *convert_django(struct ctx *ctx, const struct from_options *options,
                                  const struct value *record, struct from_user *user)
{
    const struct value *fields = value_get(record, "fields");
    const char *first, *last;

    (void)options;
    if (fields == NULL || fields->type != VALUE_OBJECT || value_get(fields, "password") == NULL)
        return "is of a model without passwords, not of users";
    first = from_text(ctx, fields, "first_name");
    last = from_text(ctx, fields, "last_name");
    user->username = from_text(ctx, fields, "username");
    user->email = from_text(ctx, fields, "email");
    user->name = first != NULL && last != NULL ? arena_printf(ctx->arena, "%s %s", first, last)
                 : first != NULL               ? first
                                               : last;
    user->password_hash = from_text(ctx, fields, "password");
    user->is_active = from_bool(fields, "is_active", true);
    user->created_at = from_time(ctx, fields, "date_joined", 1000);
    user->last_login_at = from_time(ctx, fields, "last_login", 1000);
    from_put_field_text(&user->fields, "old_id", from_text(ctx, record, "pk"));
    django_fields(fields, user);
    if (user->password_hash != NULL && user->password_hash[0] == '!') {
        user->password_hash = NULL;
        user->reason = "the password was marked as unusable";
    }
    return NULL;
}

const struct from_system from_django = {.name = "django", .convert = convert_django};

/* ---- MongoDB: mongoexport, where everything is said by --map ---- */

static const char *convert_mongodb(struct ctx *ctx, const struct from_options *options,
                                   const struct value *record, struct from_user *user)
{
    (void)ctx;
    (void)options;
    (void)record;
    user->no_active = true;
    return NULL;
}

const struct from_system from_mongodb = {.name = "mongodb", .convert = convert_mongodb};
