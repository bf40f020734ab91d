/* tenantd token: an access token for curl, of a user or an OAuth client of a tenant. */
#include <string.h>

#include "app/clock.h"
#include "commands/commands.h"
#include "models/grant.h"
#include "models/oauth_client.h"
#include "models/scope.h"
#include "models/tenant.h"
#include "models/user.h"

struct call {
    const char *tenant, *user, *client, *scope, *ttl;
};

static enum err find_user(struct ctx *ctx, const char *name, struct user *ret_user)
{
    const enum err found = user_find_by_login(ctx, name, ret_user);

    if (found == ERR_NOT_FOUND) {
        fail_clear(ctx);
        return fail(ctx, found, NULL, "The tenant has no user \"%.254s\".", name);
    }
    TRY(found);
    return ret_user->is_active ? ERR_OK : fail(ctx, ERR_FORBIDDEN, NULL, "The user is not active.");
}

static enum err find_client(struct ctx *ctx, const char *id, const struct oauth_client **ret_client)
{
    const enum err found = oauth_client_get(ctx, id, ret_client);

    if (found != ERR_OK && found != ERR_NOT_FOUND)
        return found;
    if (found == ERR_OK && uuid_equal(&(*ret_client)->tenant_id, &ctx->tenant_id))
        return ERR_OK;
    fail_clear(ctx);
    return fail(ctx, ERR_NOT_FOUND, NULL, "The tenant has no client \"%.63s\".", id);
}

/* As much as an ordinary sign-in would give, or the part of it that is wanted. */
static enum err choose_scope(struct ctx *ctx, const char *wanted, struct client_grant *terms)
{
    const struct oauth_client *client = terms->client;
    const char *all, *beyond;

    if (client == NULL)
        all = role_scopes((enum role)terms->user->role);
    else if (terms->user != NULL)
        TRY(scope_for_role(ctx, client->scope, (enum role)terms->user->role, &all));
    else
        TRY(scope_for_machine(ctx, client->scope, client->by_owner, &all));
    terms->scope = all;
    if (wanted == NULL)
        return ERR_OK;
    TRY(scope_normalise(ctx, wanted, &terms->scope));
    TRY(scope_missing(ctx, terms->scope, all, &beyond));
    return beyond == NULL ? ERR_OK
                          : fail(ctx, ERR_SCOPE_INVALID, "--scope",
                                 "--scope: \"%s\" is not among \"%s\".", beyond, all);
}

/* No longer than other tokens: what is revoked is remembered for as long as those live. */
static enum err choose_lifetime(struct ctx *ctx, const char *text, struct client_grant *terms)
{
    const int64_t most =
        terms->client != NULL ? tenant_client_access_ttl(ctx) : tenant_access_ttl(ctx);
    int64_t ms = 0;

    if (text == NULL)
        return ERR_OK;
    TRY(command_duration(ctx, "--ttl", text, &ms));
    terms->access_seconds = ms / 1000;
    if (terms->access_seconds >= 1 && terms->access_seconds <= most)
        return ERR_OK;
    return fail(ctx, ERR_VALIDATION, "--ttl",
                "--ttl: must be from 1s to %llds, how long tokens live here.", (long long)most);
}

static enum err issue(struct session_of_command *session, const struct call *call,
                      struct token_pair *ret_pair)
{
    struct ctx *ctx = &session->ctx;
    struct client_grant terms = {.client = NULL};
    struct user user = {0};

    TRY(command_use_tenant(session, call->tenant));
    if (call->user != NULL) {
        TRY(find_user(ctx, call->user, &user));
        terms.user = &user;
    }
    if (call->client != NULL) {
        TRY(find_client(ctx, call->client, &terms.client));
        ctx->who.client_id = terms.client->id;
    }
    TRY(choose_scope(ctx, call->scope, &terms));
    TRY(choose_lifetime(ctx, call->ttl, &terms));
    return grant_issue(ctx, &terms, ret_pair);
}

static enum err print_token(const struct invocation *invocation, struct session_of_command *session,
                            struct buf *out, void *arg)
{
    struct token_pair pair = {0};

    TRY(issue(session, arg, &pair));
    if (!invocation->json) {
        buf_puts(out, pair.access_token);
        return ERR_OK;
    }
    buf_putc(out, '{');
    command_json_text(out, "access_token", pair.access_token);
    command_json_text(out, "token_type", "Bearer");
    command_json_int(out, "expires_in", pair.expires_in);
    command_json_text(out, "scope", pair.scope != NULL ? pair.scope : "");
    buf_putc(out, '}');
    return ERR_OK;
}

static int run(struct invocation *invocation, int argc, char **argv)
{
    struct call call = {0};
    const struct command_option options[] = {
        {"user", &call.user, NULL},
        {"client", &call.client, NULL},
        {"scope", &call.scope, NULL},
        {"ttl", &call.ttl, NULL},
        {0},
    };
    int status;

    if (!command_parse(invocation, argc, argv, options, &status))
        return status;
    if (!command_wants_args(invocation, 1, "the slug of the tenant"))
        return COMMAND_USAGE;
    if (call.user == NULL && call.client == NULL)
        return command_usage(invocation, "--user or --client is missing");
    call.tenant = invocation->args[0];
    return command_work(invocation, print_token, &call);
}

const struct command command_token = {
    .name = "token",
    .summary = "print an access token of a user or an OAuth client, for curl",
    .help = "usage: tenantd token SLUG [--user NAME] [--client ID] [--scope SCOPE] [--ttl TIME]\n"
            "\n"
            "Prints nothing but the token. With --user it is what a login of the user gives, with\n"
            "--client what the client gets for itself, with both what the client gets for the\n"
            "user. There is no refresh token; the audit log has a row. It ends with everything\n"
            "else of the user or the client.\n"
            "\n"
            "  --user NAME     name or e-mail address of an active user\n"
            "  --client ID     client_id of an OAuth client\n"
            "  --scope SCOPE   a part of what it would have\n"
            "  --ttl TIME      90s, 10m; at most, and by default, as long as all tokens live\n"
            "  --config FILE   default: $TENANTD_CONFIG, ./config.yaml, /etc/tenantd/config.yaml\n"
            "  --json          JSON on standard output\n"
            "\n"
            "Examples:\n"
            "  curl -H \"Authorization: Bearer $(tenantd token acme --user admin)\" \\\n"
            "      http://localhost:8080/api/protected\n"
            "  tenantd token acme --user ana --scope profile --ttl 60s\n"
            "  tenantd token acme --client abcdefghijkmnpqrstuvwxyz --json | jq -r .scope\n",
    .run = run,
};
