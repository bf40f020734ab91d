/* Roles against roles. */
#include "models/user_authority.h"

#include "app/revocation.h"
#include "models/access_key.h"
#include "models/tenant.h"

static enum err of_user(struct ctx *ctx, struct authority *ret_authority)
{
    const struct identity *who = &ctx->who;
    struct user user = {0};
    const enum err found = user_find(ctx, &who->user_id, &user);

    if (found == ERR_NOT_FOUND || (found == ERR_OK && !user.is_active))
        return who->credential == CREDENTIAL_SESSION ? ERR_UNAUTHENTICATED : ERR_BAD_TOKEN;
    TRY(found);
    /* Neither more than the credential says nor more than is stored by now. */
    ret_authority->role = (int)who->role < user.role ? who->role : (enum role)user.role;
    ret_authority->user_id = user.id;
    if (ret_authority->role < ROLE_ADMIN)
        return fail(ctx, ERR_ROLE, NULL, "This needs the role \"admin\".");
    return ERR_OK;
}

enum err user_authority(struct ctx *ctx, struct authority *ret_authority)
{
    *ret_authority = (struct authority){.role = ROLE_OWNER};
    if (ctx->who.credential == CREDENTIAL_PLATFORM)
        return ERR_OK;
    /* A program with a scope for it makes users, and none that could do more. */
    if (ctx->who.credential == CREDENTIAL_KEY) {
        ret_authority->role = ROLE_USER;
        return ERR_OK;
    }
    if (uuid_is_zero(&ctx->who.user_id))
        return fail_internal(ctx, ERR_ROLE, "no user and no operator stands behind this request");
    return of_user(ctx, ret_authority);
}

enum err user_authority_lasts(struct ctx *ctx, enum role least)
{
    const struct tenant *tenant = NULL;
    struct authority authority;

    TRY(tenant_get_by_id(ctx, &ctx->tenant_id, &tenant));
    ctx_set_tenant(ctx, tenant, &tenant->id);
    if (ctx->who.credential == CREDENTIAL_KEY)
        return access_key_check(ctx, &ctx->who.key_id);
    TRY(revocation_check(ctx, &(struct revocation_subject){.tenant_id = tenant->id,
                                                           .grant_id = ctx->who.grant_id,
                                                           .tenant_epoch = tenant->epoch}));
    TRY(user_authority(ctx, &authority));
    return authority.role >= least ? ERR_OK : ERR_ROLE;
}

enum err user_authority_over(struct ctx *ctx, const struct authority *authority,
                             const struct user *target)
{
    if (target->role <= (int)authority->role)
        return ERR_OK;
    return fail(ctx, ERR_ROLE, NULL,
                ctx->who.credential == CREDENTIAL_KEY
                    ? "Access keys change users, not administrators and owners."
                    : "Only an owner may change an owner.");
}

enum err user_authority_to_give(struct ctx *ctx, enum role role)
{
    struct authority authority;

    TRY(user_authority(ctx, &authority));
    if (role <= authority.role)
        return ERR_OK;
    return fail(ctx, ERR_ROLE_NOT_GRANTED, "role",
                "Nobody gives a role above their own: \"%s\" cannot make an \"%s\".",
                role_names[authority.role], role_names[role]);
}

bool user_authority_is_self(const struct authority *authority, const struct user *target)
{
    return uuid_equal(&authority->user_id, &target->id);
}
