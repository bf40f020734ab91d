/* Found by its name among the tenant's clients; whoever renames it gets another one. */
#include "models/demo_client.h"

#include <string.h>

#include "app/db.h"
#include "app/redirect_uri.h"
#include "models/oauth_client_admin.h"
#include "models/tenant.h"

#define LOOKED_AT 200

static const struct registrar nobody = {.role = ROLE_OWNER};

enum err demo_client_redirect(struct ctx *ctx, const char **ret_uri)
{
    const char *issuer = NULL;

    TRY(tenant_issuer(ctx, ctx->tenant, &issuer));
    *ret_uri = arena_printf(ctx->arena, "%s/playground", issuer);
    return *ret_uri == NULL ? ERR_MEMORY : ERR_OK;
}

/* The first one, and how many there are. */
static enum err find(struct ctx *ctx, struct oauth_client *ret_client, size_t *ret_count)
{
    static const struct uuid everybody;
    struct list page = {0};

    TRY(oauth_client_list(ctx, &everybody, NULL, LOOKED_AT, &page));

    const struct oauth_client *clients = page.items;

    *ret_count = 0;
    for (size_t i = 0; i < page.count; i++) {
        if (strcmp(clients[i].name, DEMO_CLIENT_NAME) != 0 || !oauth_client_is_public(&clients[i]))
            continue;
        if ((*ret_count)++ == 0)
            *ret_client = clients[i];
    }
    return ERR_OK;
}

/* Native: on loopback the port of the service may change. */
static struct client_metadata metadata_with(const struct strs *uris)
{
    return (struct client_metadata){
        .name = DEMO_CLIENT_NAME,
        .redirect_uris = *uris,
        .post_logout_redirect_uris = *uris,
        .scope = DEMO_CLIENT_SCOPE,
        .auth_method = CLIENT_AUTH_NONE,
        .application_type = APPLICATION_NATIVE,
    };
}

/* At the end of the transaction that makes it: of two that run at once one is repeated, for the
 * tenant's counter of clients, and then sees the other's. */
static enum err refuse_second(struct ctx *ctx, void *arg)
{
    struct oauth_client client = {0};
    size_t count = 0;

    (void)arg;
    TRY(find(ctx, &client, &count));
    return count > 1 ? ERR_CONFLICT : ERR_OK;
}

static enum err make(struct ctx *ctx, const struct client_metadata *metadata)
{
    struct db_hook *before = ctx->before_commit, hook = {.run = refuse_second};
    struct made_client made;

    db_before_commit(ctx, &hook);

    const enum err created = oauth_client_create(ctx, metadata, &nobody, &made);

    ctx->before_commit = before;
    if (created != ERR_CONFLICT)
        return created;
    fail_clear(ctx);
    return ERR_OK;
}

enum err demo_client_ensure(struct ctx *ctx)
{
    const struct redirect_rule rule = {.is_native = true, .is_development = true};
    struct oauth_client client = {0};
    const char *redirect = NULL;
    size_t count = 0;

    TRY(demo_client_redirect(ctx, &redirect));
    /* A service whose port is chosen at its start (port 0) has no address to come back to yet. */
    if (redirect_uri_check(redirect, &rule) != NULL)
        return ERR_OK;
    TRY(find(ctx, &client, &count));
    if (count > 0 && oauth_client_has_redirect(&client, redirect))
        return ERR_OK;

    const struct strs uris = {.items = &redirect, .count = 1};
    const struct client_metadata metadata = metadata_with(&uris);

    return count > 0 ? oauth_client_update(ctx, &metadata, &nobody, &client) : make(ctx, &metadata);
}
