/* One table of the standard claims, and where each comes from. */
#include "models/claims.h"

#include <string.h>

#include "app/clock.h"
#include "app/document.h"
#include "models/custom_fields.h"
#include "models/custom_schema.h"
#include "models/scope.h"
#include "models/tenant.h"

#define CUSTOM          "custom_fields."
#define MAX_MAPPED      50
#define MAX_NAME        64
#define MAX_SOURCE      256
#define MAPPED_SCOPE    "profile" /* of the tenant's own claims */
#define VERIFIED_SUFFIX "_verified"

enum kind {
    KIND_TEXT = 1, /* a string: mapped, else the custom field of that name */
    KIND_ADDRESS,  /* an object with the members of OIDC Core §5.1.1 */
    KIND_PHONE_VERIFIED,
    KIND_NAME,
    KIND_USERNAME,
    KIND_UPDATED,
    KIND_CREATED,
    KIND_EMAIL,
    KIND_EMAIL_VERIFIED,
};

static const struct claim {
    const char *name, *scope;
    enum kind kind;
} standard[] = {
    {"name", "profile", KIND_NAME},
    {"family_name", "profile", KIND_TEXT},
    {"given_name", "profile", KIND_TEXT},
    {"middle_name", "profile", KIND_TEXT},
    {"nickname", "profile", KIND_TEXT},
    {"preferred_username", "profile", KIND_USERNAME},
    {"profile", "profile", KIND_TEXT},
    {"picture", "profile", KIND_TEXT},
    {"website", "profile", KIND_TEXT},
    {"gender", "profile", KIND_TEXT},
    {"birthdate", "profile", KIND_TEXT},
    {"zoneinfo", "profile", KIND_TEXT},
    {"locale", "profile", KIND_TEXT},
    {"updated_at", "profile", KIND_UPDATED},
    {"username", "profile", KIND_USERNAME},
    {"created_at", "profile", KIND_CREATED},
    {"email", "email", KIND_EMAIL},
    {"email_verified", "email", KIND_EMAIL_VERIFIED},
    {"address", "address", KIND_ADDRESS},
    {"phone_number", "phone", KIND_TEXT},
    {"phone_number_verified", "phone", KIND_PHONE_VERIFIED},
};

#define STANDARD_COUNT (sizeof standard / sizeof standard[0])

struct strs claims_supported(void)
{
    static const char *names[STANDARD_COUNT + 1];

    names[0] = "sub";
    for (size_t i = 0; i < STANDARD_COUNT; i++)
        names[i + 1] = standard[i].name;
    return (struct strs){.items = names, .count = STANDARD_COUNT + 1};
}

static const struct claim *find_standard(const char *name)
{
    for (size_t i = 0; i < STANDARD_COUNT; i++)
        if (strcmp(standard[i].name, name) == 0)
            return &standard[i];
    return NULL;
}

/* ---- the setting ---- */

/* Of tokens and protocol messages, and what tells a user's power (TI-15). */
static bool is_protocol(const char *name)
{
    static const char *const names[] = {
        "iss",          "sub",
        "aud",          "exp",
        "nbf",          "iat",
        "jti",          "auth_time",
        "nonce",        "acr",
        "amr",          "azp",
        "sid",          "at_hash",
        "c_hash",       "s_hash",
        "tid",          "gid",
        "ep",           "cl",
        "scope",        "scopes",
        "client_id",    "cnf",
        "act",          "may_act",
        "events",       "typ",
        "role",         "roles",
        "groups",       "entitlements",
        "permissions",  "authorization_details",
        "sub_id",       "active",
        "token_type",   "tenant_id",
        "_claim_names", "_claim_sources",
    };

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

/* The service knows these itself, or a verified flag would say what only the service may say. */
static bool is_own(const char *name)
{
    const struct claim *claim = find_standard(name);
    const size_t length = strlen(name), suffix = sizeof VERIFIED_SUFFIX - 1;

    if (length >= suffix && strcmp(name + length - suffix, VERIFIED_SUFFIX) == 0)
        return true;
    return claim != NULL && claim->kind != KIND_TEXT && claim->kind != KIND_ADDRESS &&
           claim->kind != KIND_NAME;
}

static bool is_name(const char *name)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                  "_-:/";
    const size_t length = strlen(name);

    return length <= MAX_NAME && strspn(name, allowed) == length;
}

/* "custom_fields.a.b": no empty step. */
static bool is_source(const char *source)
{
    const size_t prefix = sizeof CUSTOM - 1, length = strlen(source);

    return strncmp(source, CUSTOM, prefix) == 0 && length > prefix && length <= MAX_SOURCE &&
           source[length - 1] != '.' && strstr(source, "..") == NULL;
}

/* What users may not see does not leave in their tokens. */
static enum err check_seen(struct ctx *ctx, const struct shape *shape, const bson_iter_t *member)
{
    const char *source = bson_iter_utf8(member, NULL);

    if (custom_field_is_seen(shape, source + sizeof CUSTOM - 1, SHAPE_USER))
        return ERR_OK;
    return fail(ctx, ERR_VALIDATION, "claims",
                "claims: \"%s\" cannot be mapped from %s: the schema hides it from users (x-read).",
                bson_iter_key(member), source);
}

static enum err check_mapped(struct ctx *ctx, const struct shape *shape, const bson_iter_t *member)
{
    const char *name = bson_iter_key(member);

    if (!is_name(name))
        return fail(ctx, ERR_VALIDATION, "claims",
                    "claims: names have at most %d letters, digits and \"_-:/\".", MAX_NAME);
    if (is_protocol(name) || is_own(name))
        return fail(ctx, ERR_VALIDATION, "claims",
                    "claims: \"%s\" is set by the service and cannot be mapped.", name);
    if (!BSON_ITER_HOLDS_UTF8(member) || !is_source(bson_iter_utf8(member, NULL)))
        return fail(ctx, ERR_VALIDATION, "claims",
                    "claims: \"%s\" must name a custom field, like \"custom_fields.department\".",
                    name);
    return check_seen(ctx, shape, member);
}

enum err claims_check_setting(struct ctx *ctx, const struct bytes *map)
{
    const struct shape *shape = NULL;
    bson_iter_t member;
    bson_t view;
    int count = 0;

    const enum err found = custom_schema_shape(ctx, &shape);

    if (found != ERR_NOT_FOUND)
        TRY(found);
    if (!document_view(map, &view) || !bson_iter_init(&member, &view))
        return fail_internal(ctx, ERR_INTERNAL, "the setting claims is no document");
    while (bson_iter_next(&member)) {
        TRY(check_mapped(ctx, shape, &member));
        if (++count > MAX_MAPPED)
            return fail(ctx, ERR_VALIDATION, "claims", "claims: at most %d further claims.",
                        MAX_MAPPED);
    }
    return ERR_OK;
}

enum err claims_check_shape(struct ctx *ctx, const struct bytes *map, const struct shape *shape)
{
    bson_iter_t member;
    bson_t view;

    if (!document_view(map, &view) || !bson_iter_init(&member, &view))
        return fail_internal(ctx, ERR_INTERNAL, "the setting claims is no document");
    while (bson_iter_next(&member)) {
        const char *source = BSON_ITER_HOLDS_UTF8(&member) ? bson_iter_utf8(&member, NULL) : "";

        if (!is_source(source) ||
            custom_field_is_seen(shape, source + sizeof CUSTOM - 1, SHAPE_USER))
            continue;
        return fail(ctx, ERR_SCHEMA, "",
                    "The setting \"claims\" gives %s out as \"%s\", and x-read would hide it from "
                    "users; take it out of that setting first.",
                    source, bson_iter_key(&member));
    }
    return ERR_OK;
}

const char *claims_scope(const struct ctx *ctx, const char *name)
{
    const struct claim *claim = find_standard(name);
    bson_iter_t mapped;
    bson_t map;

    if (claim != NULL)
        return claim->scope;
    return document_view(&ctx->tenant->settings.claims, &map) &&
                   bson_iter_init_find(&mapped, &map, name)
               ? MAPPED_SCOPE
               : NULL;
}

/* ---- writing ---- */

struct writing {
    const struct user *user;
    const struct claims_wanted *wanted;
    struct buf *out;
    bson_t fields; /* custom fields, as users see them */
    bson_t map;    /* of the tenant */
};

static bool wants(const struct claims_wanted *wanted, const char *name, const char *scope)
{
    return scope_has(wanted->scope, scope) ||
           (scope_has(wanted->names_scope, scope) && strs_has(&wanted->names, name));
}

static void begin(struct buf *out, const char *name)
{
    buf_putc(out, ',');
    buf_json_string(out, name, strlen(name));
    buf_putc(out, ':');
}

static void write_text(struct buf *out, const char *name, const char *text)
{
    if (text == NULL || text[0] == '\0')
        return;
    begin(out, name);
    buf_json_string(out, text, strlen(text));
}

static void write_bool(struct buf *out, const char *name, bool value)
{
    begin(out, name);
    buf_puts(out, value ? "true" : "false");
}

static bool find_field(const struct writing *writing, const char *path, bson_iter_t *ret)
{
    bson_iter_t root;

    return bson_iter_init(&root, &writing->fields) && bson_iter_find_descendant(&root, path, ret);
}

/* What stands for a claim in the custom fields: as mapped, else under the claim's own name. */
static bool find_value(const struct writing *writing, const char *name, bson_iter_t *ret)
{
    bson_iter_t mapped;

    if (bson_iter_init_find(&mapped, &writing->map, name) && BSON_ITER_HOLDS_UTF8(&mapped) &&
        is_source(bson_iter_utf8(&mapped, NULL)))
        return find_field(writing, bson_iter_utf8(&mapped, NULL) + sizeof CUSTOM - 1, ret);
    return find_standard(name) != NULL && find_field(writing, name, ret);
}

static const char *text_at(const bson_iter_t *at)
{
    return BSON_ITER_HOLDS_UTF8(at) ? bson_iter_utf8(at, NULL) : NULL;
}

static const char *text_of(const struct writing *writing, const char *name)
{
    bson_iter_t found;

    return find_value(writing, name, &found) ? text_at(&found) : NULL;
}

static void write_address(const struct writing *writing, const char *name)
{
    static const char *const parts[] = {"formatted", "street_address", "locality",
                                        "region",    "postal_code",    "country"};
    bson_iter_t found, part;
    bool any = false;

    if (!find_value(writing, name, &found) || !BSON_ITER_HOLDS_DOCUMENT(&found))
        return;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        const bool there = bson_iter_recurse(&found, &part) && bson_iter_find(&part, parts[i]);
        const char *text = there ? text_at(&part) : NULL;

        if (text == NULL || text[0] == '\0')
            continue;
        if (!any) {
            begin(writing->out, name);
            buf_putc(writing->out, '{');
        }
        buf_printf(writing->out, any ? ",\"%s\":" : "\"%s\":", parts[i]);
        buf_json_string(writing->out, text, strlen(text));
        any = true;
    }
    if (any)
        buf_putc(writing->out, '}');
}

static void write_time(struct buf *out, const char *name, int64_t ms)
{
    char text[TIME_TEXT_SIZE];

    time_text(ms, text);
    write_text(out, name, text);
}

static void write_seconds(struct buf *out, const char *name, int64_t ms)
{
    begin(out, name);
    buf_int(out, ms / 1000);
}

static const char *name_of(const struct writing *writing)
{
    const char *mapped = text_of(writing, "name");

    return mapped != NULL ? mapped : writing->user->name;
}

static void write_standard(const struct writing *writing, const struct claim *claim)
{
    const struct user *user = writing->user;
    struct buf *out = writing->out;

    switch (claim->kind) {
    case KIND_TEXT:
        write_text(out, claim->name, text_of(writing, claim->name));
        break;
    case KIND_ADDRESS:
        write_address(writing, claim->name);
        break;
    case KIND_PHONE_VERIFIED: /* users write their own custom fields */
        if (text_of(writing, "phone_number") != NULL)
            write_bool(out, claim->name, false);
        break;
    case KIND_NAME:
        write_text(out, claim->name, name_of(writing));
        break;
    case KIND_USERNAME:
        write_text(out, claim->name, user->username);
        break;
    case KIND_UPDATED:
        write_seconds(out, claim->name, user->updated_at);
        break;
    case KIND_CREATED:
        write_time(out, claim->name, user->created_at);
        break;
    case KIND_EMAIL:
        write_text(out, claim->name, user->email);
        break;
    case KIND_EMAIL_VERIFIED:
        if (user->email != NULL)
            write_bool(out, claim->name, user->is_email_verified);
        break;
    }
}

static bool is_empty(const bson_iter_t *value)
{
    bson_iter_t inside;

    if (BSON_ITER_HOLDS_NULL(value))
        return true;
    if (BSON_ITER_HOLDS_UTF8(value))
        return bson_iter_utf8(value, NULL)[0] == '\0';
    return (BSON_ITER_HOLDS_ARRAY(value) || BSON_ITER_HOLDS_DOCUMENT(value)) &&
           (!bson_iter_recurse(value, &inside) || !bson_iter_next(&inside));
}

/* The tenant's own ones, which come with the profile. */
static void write_mapped(const struct writing *writing)
{
    bson_iter_t member, found;

    if (!bson_iter_init(&member, &writing->map))
        return;
    while (bson_iter_next(&member)) {
        const char *name = bson_iter_key(&member);

        /* Looked at again: what was stored by an older version may be the protocol's today. */
        if (find_standard(name) != NULL || is_protocol(name) || is_own(name) ||
            !wants(writing->wanted, name, MAPPED_SCOPE) || !find_value(writing, name, &found) ||
            is_empty(&found))
            continue;
        begin(writing->out, name);
        document_element_to_json(&found, writing->out);
    }
}

enum err claims_write(struct ctx *ctx, const struct user *user, const struct claims_wanted *wanted,
                      struct buf *out)
{
    struct writing writing = {.user = user, .wanted = wanted, .out = out};
    struct bytes fields = {0};

    TRY(custom_fields_for(ctx, user, SHAPE_USER, &fields));
    if (!document_view(&fields, &writing.fields) ||
        !document_view(&ctx->tenant->settings.claims, &writing.map))
        return fail_internal(ctx, ERR_INTERNAL, "what claims are made of is no document");
    for (size_t i = 0; i < STANDARD_COUNT; i++) {
        const struct claim *claim = &standard[i];
        const bool legacy =
            wanted->legacy && (strcmp(claim->name, "username") == 0 || claim->kind == KIND_CREATED);

        if (legacy || wants(wanted, claim->name, claim->scope))
            write_standard(&writing, claim);
    }
    write_mapped(&writing);
    return buf_ok(out) ? ERR_OK : fail_internal(ctx, ERR_MEMORY, "no memory for claims");
}
