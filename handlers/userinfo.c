/* UserInfo: the claims are models/claims.c's; here is who may have them. */
#include "handlers/userinfo.h"

#include "models/claims.h"
#include "models/claims_request.h"
#include "models/grant.h"
#include "models/scope.h"
#include "models/user.h"

#define ANSWER_MAX ((size_t)64 * 1024)

/* For the description alone: the answer is written claim by claim. */
struct userinfo {
    struct uuid sub;
    const char *name, *family_name, *given_name, *middle_name, *nickname, *preferred_username,
        *profile, *picture, *website, *gender, *birthdate, *zoneinfo, *locale, *username, *email,
        *phone_number;
    int64_t updated_at, created_at;
    bool email_verified, phone_number_verified;
    bool has_updated_at, has_email_verified, has_phone_number_verified;
    struct bytes address;
};

struct userinfo_input {
    const char *access_token;
};

/* clang-format off */
#define TEXT(member, scope) FIELD_STR(struct userinfo, member, #member, F_NONE, 1, 16384, .doc = "Scope " scope ".")

static const struct field userinfo_fields[] = {
    FIELD_UUID(struct userinfo, sub, "sub", F_REQUIRED, .doc = "The user's id."),
    TEXT(name, "profile"), TEXT(family_name, "profile"), TEXT(given_name, "profile"),
    TEXT(middle_name, "profile"), TEXT(nickname, "profile"), TEXT(preferred_username, "profile"),
    TEXT(profile, "profile"), TEXT(picture, "profile"), TEXT(website, "profile"),
    TEXT(gender, "profile"), TEXT(birthdate, "profile"), TEXT(zoneinfo, "profile"),
    TEXT(locale, "profile"),
    FIELD_INT_OPT(struct userinfo, updated_at, has_updated_at, "updated_at", F_NONE, 0, INT64_MAX, .doc = "Seconds. Scope profile."),
    FIELD_STR(struct userinfo, username, "username", F_NONE, 1, 254, .doc = "Scope profile, or a token without openid."),
    FIELD_TIME(struct userinfo, created_at, "created_at", F_NONE, .doc = "Scope profile, or a token without openid."),
    TEXT(email, "email"),
    FIELD_BOOL_OPT(struct userinfo, email_verified, has_email_verified, "email_verified", F_NONE, .doc = "Scope email."),
    FIELD_DOC(struct userinfo, address, "address", F_NONE, .doc = "Scope address: formatted, street_address, locality, region, postal_code, country."),
    TEXT(phone_number, "phone"),
    FIELD_BOOL_OPT(struct userinfo, phone_number_verified, has_phone_number_verified, "phone_number_verified", F_NONE, .doc = "Scope phone."),
};
const struct schema userinfo_schema = {
    .name = "userinfo", .open = true, .size = sizeof(struct userinfo), SCHEMA_FIELDS(userinfo_fields),
};
static const struct field userinfo_input_fields[] = {
    FIELD_STR(struct userinfo_input, access_token, "access_token", F_WRITE_ONLY, 1, 8192, .doc = "Instead of the Authorization header (RFC 6750 §2.2)."),
};
const struct schema userinfo_input_schema = {
    .name = "userinfo_input", .size = sizeof(struct userinfo_input), SCHEMA_FIELDS(userinfo_input_fields),
};
/* clang-format on */

/* Without openid: what document 004's clients were promised. */
static bool is_legacy(const char *scope)
{
    return scope_has(scope, "read") || scope_has(scope, "write") || scope_has(scope, "profile");
}

static enum err check_token(struct request *req, bool *ret_legacy)
{
    const struct identity *who = &req->ctx.who;

    if (uuid_is_zero(&who->user_id))
        return fail(&req->ctx, ERR_SCOPE, NULL, "This token has no user.");
    *ret_legacy = !scope_has(who->scope, SCOPE_OPENID);
    if (*ret_legacy && !is_legacy(who->scope))
        return fail(&req->ctx, ERR_SCOPE, NULL, "This needs the scope \"openid\".");
    return ERR_OK;
}

/* The claims parameter of the authorization request. A token that says nothing of it needs no look
 * at its grant. */
static enum err read_asked(struct request *req, struct claims_wanted *wanted)
{
    struct claims_request asked;
    struct grant *grant;

    if (!req->ctx.who.has_claims)
        return ERR_OK;
    grant = ARENA_NEW(req->ctx.arena, struct grant);
    if (grant == NULL)
        return ERR_MEMORY;

    const enum err found = grant_find(&req->ctx, &req->ctx.who.grant_id, grant);

    if (found == ERR_NOT_FOUND)
        return ERR_BAD_TOKEN;
    TRY(found);
    TRY(claims_request_read(&req->ctx, grant->claims, &asked));
    wanted->names = asked.userinfo;
    wanted->names_scope = grant->claims_scope;
    return ERR_OK;
}

enum err handle_userinfo(struct request *req, struct response *res)
{
    struct claims_wanted wanted = {.scope = req->ctx.who.scope};
    char id[UUID_TEXT_SIZE];
    struct user user = {0};
    struct buf out;

    TRY(check_token(req, &wanted.legacy));
    TRY(read_asked(req, &wanted));

    const enum err found = user_find(&req->ctx, &req->ctx.who.user_id, &user);

    if (found == ERR_NOT_FOUND || (found == ERR_OK && !user.is_active))
        return ERR_BAD_TOKEN;
    TRY(found);
    uuid_text(&user.id, id);
    buf_init(&out, req->ctx.arena, ANSWER_MAX);
    buf_printf(&out, "{\"sub\":\"%s\"", id);
    TRY(claims_write(&req->ctx, &user, &wanted, &out));
    buf_putc(&out, '}');
    if (!buf_ok(&out))
        return fail_internal(&req->ctx, ERR_MEMORY, "no memory for claims");
    return respond_text(res, 200, "application/json", buf_text(&out), out.size);
}
