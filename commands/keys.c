/* tenantd keys: the keys that sign the tokens of tenants, and those of encrypted fields. */
#include <string.h>

#include "app/clock.h"
#include "commands/commands.h"
#include "models/custom_seal.h"
#include "models/signing_key.h"
#include "models/tenant.h"

#define TENANTS_AT_ONCE 50

/* --- list --- */

struct listing {
    const struct invocation *invocation;
    char after[64];
    bool begun, any;
};

static void write_key(struct listing *listing, const char *slug,
                      const struct signing_key_view *view, struct buf *out)
{
    const struct signing_key *key = &view->key;
    const char *state = signing_key_state_names[view->state];
    char from[TIME_TEXT_SIZE], until[TIME_TEXT_SIZE] = "-";

    if (listing->invocation->json) {
        buf_puts(out, listing->any ? ",{" : "{");
        command_json_text(out, "tenant", slug);
        command_json_text(out, "kid", key->kid);
        command_json_text(out, "alg", key->alg);
        command_json_text(out, "state", state);
        command_json_time(out, "signs_from", signing_key_begins(key));
        command_json_time(out, "expires_at", key->expires_at);
        command_json_time(out, "created_at", key->created_at);
        buf_putc(out, '}');
    } else {
        time_text(signing_key_begins(key), from);
        if (key->expires_at != 0)
            time_text(key->expires_at, until);
        buf_printf(out, "%-24s  %-43s  %-5s  %-8s  %-24s  %s\n", slug, key->kid, key->alg, state,
                   from, until);
    }
    listing->any = true;
}

static void begin_list(struct listing *listing, struct buf *out)
{
    if (listing->begun)
        return;
    listing->begun = true;
    if (listing->invocation->json)
        buf_puts(out, "{\"keys\":[");
    else
        buf_printf(out, "%-24s  %-43s  %-5s  %-8s  %-24s  %s\n", "tenant", "kid", "alg", "state",
                   "signs from", "published until");
}

static enum err list_tenant(struct ctx *ctx, const char *slug, struct listing *listing,
                            struct buf *out)
{
    struct list keys = {0};

    TRY(signing_key_list(ctx, &keys));

    const struct signing_key_view *views = keys.items;

    for (size_t i = 0; i < keys.count; i++)
        write_key(listing, slug, &views[i], out);
    return ERR_OK;
}

static enum err list_page(struct ctx *ctx, struct buf *out, void *arg, bool *ret_more)
{
    struct listing *listing = arg;
    struct list page = {0};

    begin_list(listing, out);
    TRY(tenant_list_all(ctx, listing->after[0] != '\0' ? listing->after : NULL, TENANTS_AT_ONCE,
                        &page));

    const struct tenant *tenants = page.items;

    for (size_t i = 0; i < page.count; i++) {
        ctx_set_tenant(ctx, &tenants[i], &tenants[i].id);
        TRY(list_tenant(ctx, tenants[i].slug, listing, out));
    }
    *ret_more = page.count == TENANTS_AT_ONCE;
    if (*ret_more)
        (void)snprintf(listing->after, sizeof listing->after, "%s", tenants[page.count - 1].slug);
    else if (listing->invocation->json)
        buf_puts(out, "]}\n");
    return ERR_OK;
}

static enum err list(const struct invocation *invocation, struct session_of_command *session,
                     struct buf *out, void *arg)
{
    struct listing listing = {.invocation = invocation};

    (void)arg;
    if (invocation->arg_count == 0)
        return command_pages(invocation, session, list_page, &listing);
    TRY(command_use_any_tenant(session, invocation->args[0]));
    begin_list(&listing, out);
    TRY(list_tenant(&session->ctx, invocation->args[0], &listing, out));
    if (invocation->json)
        buf_puts(out, "]}");
    return ERR_OK;
}

static int run_list(struct invocation *invocation, int argc, char **argv)
{
    int status;

    if (!command_parse(invocation, argc, argv, NULL, &status))
        return status;
    if (invocation->arg_count > 1 && !command_wants_args(invocation, 1, NULL))
        return COMMAND_USAGE;
    return command_work(invocation, list, NULL);
}

/* --- rotate --- */

struct wanted {
    const char *alg, *after;
    bool fields;
    enum jws_alg parsed;
};

static void write_new(const struct invocation *invocation, const struct signing_key *key,
                      struct buf *out)
{
    char from[TIME_TEXT_SIZE];

    if (!invocation->json) {
        time_text(signing_key_begins(key), from);
        buf_printf(out, "The key %s is published and signs from %s.\n", key->kid, from);
        return;
    }
    buf_putc(out, '{');
    command_json_text(out, "kid", key->kid);
    command_json_text(out, "alg", key->alg);
    command_json_time(out, "signs_from", signing_key_begins(key));
    buf_putc(out, '}');
}

static enum err rotate_fields(const struct invocation *invocation,
                              struct session_of_command *session, struct buf *out, void *arg)
{
    uint32_t number = 0;

    (void)arg;
    TRY(command_use_tenant(session, invocation->args[0]));
    TRY(custom_key_rotate(&session->ctx, &number));
    if (invocation->json)
        buf_printf(out, "{\"key\":%u}", (unsigned)number);
    else
        buf_printf(out,
                   "Key %u seals encrypted custom fields from now on; those before go on "
                   "opening what they sealed.\n",
                   (unsigned)number);
    return ERR_OK;
}

static enum err rotate(const struct invocation *invocation, struct session_of_command *session,
                       struct buf *out, void *arg)
{
    const struct wanted *wanted = arg;
    struct ctx *ctx = &session->ctx;
    int64_t after = SIGNING_KEY_NORMAL_MS;
    struct signing_key key = {0};

    if (wanted->after != NULL)
        TRY(command_duration(ctx, "--after", wanted->after, &after));
    if (after < SIGNING_KEY_LEAST_MS || after > SIGNING_KEY_LONGEST_MS)
        return fail(ctx, ERR_VALIDATION, "--after",
                    "--after: must be from 5s, in which every instance learns of the key, to 30d.");
    TRY(command_use_tenant(session, invocation->args[0]));
    TRY(signing_key_rotate(ctx, wanted->parsed, after, &key));
    write_new(invocation, &key, out);
    return ERR_OK;
}

static int run_rotate(struct invocation *invocation, int argc, char **argv)
{
    struct wanted wanted = {.parsed = JWS_ES256};
    const struct command_option options[] = {{"alg", &wanted.alg, NULL},
                                             {"after", &wanted.after, NULL},
                                             {"fields", NULL, &wanted.fields},
                                             {0}};
    int status;

    if (!command_parse(invocation, argc, argv, options, &status))
        return status;
    if (!command_wants_args(invocation, 1, "the tenant"))
        return COMMAND_USAGE;
    if (wanted.alg != NULL)
        wanted.parsed = jws_alg_named(wanted.alg);
    if (wanted.parsed != JWS_ES256 && wanted.parsed != JWS_RS256)
        return command_usage(invocation, "--alg is ES256, for access tokens, or RS256, for ID "
                                         "tokens");
    if (wanted.fields && (wanted.alg != NULL || wanted.after != NULL))
        return command_usage(invocation, "--fields goes with neither --alg nor --after");
    return command_work(invocation, wanted.fields ? rotate_fields : rotate, &wanted);
}

/* --- revoke --- */

static enum err revoke_key(const struct invocation *invocation, struct session_of_command *session,
                           struct buf *out, void *arg)
{
    struct ctx *ctx = &session->ctx;
    struct signing_key new = {0};

    (void)arg;
    TRY(command_use_any_tenant(session, invocation->args[0]));

    const enum err revoked = signing_key_revoke(ctx, invocation->args[1], &new);

    if (revoked == ERR_NOT_FOUND) {
        fail_clear(ctx);
        return fail(ctx, revoked, NULL, "The tenant has no key \"%.60s\".", invocation->args[1]);
    }
    TRY(revoked);
    if (invocation->json) {
        buf_putc(out, '{');
        command_json_text(out, "revoked", invocation->args[1]);
        command_json_text(out, "signs_now", new.kid);
        buf_putc(out, '}');
        return ERR_OK;
    }
    buf_puts(out, "revoked: tokens that this key signed are refused from now on\n");
    if (new.kid != NULL)
        buf_printf(out, "The key %s signs now.\n", new.kid);
    return ERR_OK;
}

static int run_revoke(struct invocation *invocation, int argc, char **argv)
{
    int status;

    if (!command_parse(invocation, argc, argv, NULL, &status))
        return status;
    if (!command_wants_args(invocation, 2, "the tenant or the kid"))
        return COMMAND_USAGE;
    return command_work(invocation, revoke_key, NULL);
}

static int run(struct invocation *invocation, int argc, char **argv)
{
    static const struct command_action actions[] = {
        {"list", run_list},
        {"rotate", run_rotate},
        {"revoke", run_revoke},
        {0},
    };

    return command_dispatch(invocation, argc, argv, actions);
}

const struct command command_keys = {
    .name = "keys",
    .summary = "list, replace and revoke the keys that sign tokens or seal fields",
    .help =
        "usage: tenantd keys list [TENANT]\n"
        "       tenantd keys rotate TENANT [--after TIME] [--alg ES256|RS256]\n"
        "       tenantd keys rotate TENANT --fields\n"
        "       tenantd keys revoke TENANT KID\n"
        "\n"
        "\"rotate\" publishes a new key at once and signs with it after a while, so that every\n"
        "instance and everybody who keeps the published keys has it by then; the key before\n"
        "stays published for a day, until the last of its tokens has expired. Nobody is\n"
        "logged out. \"rotate --fields\" makes a new key for encrypted custom fields\n"
        "(x-encrypt); those before stay, and a field is sealed by the new one when it is next\n"
        "written. \"revoke\" is for a key that leaked: its tokens end within a second, and\n"
        "another key signs at once; sessions and refresh tokens go on.\n"
        "\n"
        "  --after TIME    when the new key begins to sign: 5s to 30d, default 330s (published\n"
        "                  keys may be kept for 300 s)\n"
        "  --alg ALG       ES256, which signs access tokens (default), or RS256, which signs ID\n"
        "                  tokens unless a client registered for ES256\n"
        "  --fields        the key of encrypted custom fields; at most 16 in all\n"
        "  --config FILE   default: $TENANTD_CONFIG, ./config.yaml, /etc/tenantd/config.yaml\n"
        "  --json          JSON on standard output\n"
        "\n"
        "Examples:\n"
        "  tenantd keys rotate acme\n"
        "  tenantd keys list acme --json | jq -r '.keys[] | select(.state==\"current\").kid'\n"
        "  tenantd keys revoke acme -- -k5…    (\"--\" before a kid that begins with \"-\")\n",
    .run = run,
};
