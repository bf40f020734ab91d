/*
 * Keycloak: the JSON of "kc.sh export" (a realm, its users-N.json files, or all realms). Users keep
 * their id, so the sub of their tokens stays the same; attributes become custom fields, single
 * values without their list.
 */
#include <string.h>

#include "app/json.h"
#include "commands/import.h"

/* Base64 without the "=" at its end. */
static const char *bare(struct ctx *ctx, const char *text)
{
    size_t length = text != NULL ? strlen(text) : 0;

    while (length > 0 && text[length - 1] == '=')
        length--;
    return text != NULL ? arena_strndup(ctx->arena, text, length) : NULL;
}

/* Both are JSON within a text. */
static const struct value *within(struct ctx *ctx, const struct value *credential, const char *name)
{
    const char *text = from_text(ctx, credential, name);
    struct value *value = ARENA_NEW(ctx->arena, struct value);

    if (text == NULL || value == NULL || json_parse(ctx, text, strlen(text), value) == ERR_OK)
        return text != NULL ? value : NULL;
    fail_clear(ctx);
    return NULL;
}

/* additionalParameters are lists of one. */
static const char *parameter(const struct value *data, const char *name)
{
    const struct value *all = from_at(data, "additionalParameters");
    const struct value *list = all != NULL ? value_get(all, name) : NULL;

    if (list == NULL || list->type != VALUE_ARRAY || list->array.count != 1)
        return NULL;
    return list->array.items[0].type == VALUE_STRING ? list->array.items[0].string.text : NULL;
}

static void argon2(struct ctx *ctx, const struct value *data, const struct value *secret,
                   struct from_user *user)
{
    const char *type = parameter(data, "type"), *memory = parameter(data, "memory");
    const char *lanes = parameter(data, "parallelism"), *version = parameter(data, "version"),
               *passes = from_text(ctx, data, "hashIterations");

    if (type == NULL || memory == NULL || lanes == NULL || passes == NULL || version == NULL ||
        strcmp(version, "1.3") != 0) {
        user->reason = "the password has an argon2 of a version or kind that is not known";
        return;
    }
    user->password_hash = arena_printf(
        ctx->arena, "$argon2%s$v=19$m=%s,t=%s,p=%s$%s$%s", type, memory, passes, lanes,
        bare(ctx, from_text(ctx, secret, "salt")), bare(ctx, from_text(ctx, secret, "value")));
}

static void password(struct ctx *ctx, const struct value *credential, struct from_user *user)
{
    const struct value *data = within(ctx, credential, "credentialData");
    const struct value *secret = within(ctx, credential, "secretData");
    const char *algorithm = data != NULL ? from_text(ctx, data, "algorithm") : NULL;
    const char *rounds = data != NULL ? from_text(ctx, data, "hashIterations") : NULL;

    if (algorithm == NULL || rounds == NULL || secret == NULL ||
        from_text(ctx, secret, "salt") == NULL || from_text(ctx, secret, "value") == NULL)
        user->reason = "the password has no secretData or credentialData";
    else if (strcmp(algorithm, "argon2") == 0)
        argon2(ctx, data, secret, user);
    else if (strncmp(algorithm, "pbkdf2", 6) == 0)
        user->password_hash = arena_printf(ctx->arena, "$%s$%s$%s$%s", algorithm, rounds,
                                           bare(ctx, from_text(ctx, secret, "salt")),
                                           bare(ctx, from_text(ctx, secret, "value")));
    else
        user->reason =
            arena_printf(ctx->arena, "the password's algorithm \"%.40s\" is not taken", algorithm);
}

static void passwords(struct ctx *ctx, const struct value *record, struct from_user *user)
{
    const struct value *credentials = value_get(record, "credentials");

    if (from_text(ctx, record, "federationLink") != NULL)
        user->reason = "the password is in a federated directory";
    for (size_t i = 0; credentials != NULL && credentials->type == VALUE_ARRAY &&
                       i < credentials->array.count && user->password_hash == NULL;
         i++) {
        const struct value *credential = &credentials->array.items[i];
        const char *type = from_text(ctx, credential, "type");

        if (type != NULL && strcmp(type, "password") == 0)
            password(ctx, credential, user);
    }
}

static void attributes(const struct value *record, struct from_user *user)
{
    const struct value *all = value_get(record, "attributes");

    for (size_t i = 0; all != NULL && all->type == VALUE_OBJECT && i < all->object.count; i++) {
        const struct value *value = &all->object.members[i].value;

        if (value->type == VALUE_ARRAY && value->array.count == 1)
            value = &value->array.items[0];
        from_put_field(&user->fields, all->object.members[i].name, value);
    }
}

static const char *convert(struct ctx *ctx, const struct from_options *options,
                           const struct value *record, struct from_user *user)
{
    const char *first = from_text(ctx, record, "firstName");
    const char *last = from_text(ctx, record, "lastName");

    (void)options;
    if (from_text(ctx, record, "serviceAccountClientId") != NULL)
        return "is the service account of a client";
    user->id = from_text(ctx, record, "id");
    user->username = from_text(ctx, record, "username");
    user->email = from_text(ctx, record, "email");
    user->name = first != NULL && last != NULL ? arena_printf(ctx->arena, "%s %s", first, last)
                 : first != NULL               ? first
                                               : last;
    user->is_active = from_bool(record, "enabled", true);
    user->has_verified = user->email != NULL;
    user->is_verified = from_bool(record, "emailVerified", false);
    user->created_at = from_time(ctx, record, "createdTimestamp", 1);
    passwords(ctx, record, user);
    attributes(record, user);
    return NULL;
}

const struct from_system from_keycloak = {.name = "keycloak", .list = "users", .convert = convert};
