/* tenantd key: access keys of tenants, and with --platform those of the platform. */
#include <string.h>

#include "app/clock.h"
#include "commands/commands.h"
#include "models/access_key_admin.h"
#include "models/creation.h"
#include "models/platform_key.h"

#define PAGE           200
#define OVERLAP_MAX_MS INT64_C(604800000)
#define DEFAULT_LABEL  "command line"

struct call {
    const char *tenant, *label, *scope, *expires, *overlap;
    bool platform;
    struct uuid id, after;
    bool begun;
    const struct invocation *invocation;
};

/* Tenant and platform exclude each other. NULL, or what is wrong. */
static const char *check_whose(const struct call *call)
{
    if (call->platform && call->tenant != NULL)
        return "a key belongs to a --tenant or to the --platform";
    return call->platform || call->tenant != NULL ? NULL : "--tenant or --platform is missing";
}

static enum err use_tenant(struct session_of_command *session, const struct call *call)
{
    return call->platform ? ERR_OK : command_use_tenant(session, call->tenant);
}

/* --- list --- */

static const char *state_of(int64_t revoked_at, int64_t ends_at)
{
    if (revoked_at != 0 || (ends_at != 0 && ends_at <= clock_now_ms()))
        return "ended";
    return ends_at != 0 ? "ends" : "live";
}

/* Neither of two ends, the earlier one otherwise. */
static int64_t earlier(int64_t a, int64_t b)
{
    return a == 0 || (b != 0 && b < a) ? b : a;
}

static void write_line(struct buf *out, const struct uuid *id, const char *state,
                       int64_t last_used_at, const char *label)
{
    char text[UUID_TEXT_SIZE], used[TIME_TEXT_SIZE] = "never";

    uuid_text(id, text);
    if (last_used_at != 0)
        time_text(last_used_at, used);
    buf_printf(out, "%s  %-5s  %-24s  %s", text, state, used, label);
}

static void write_access_key(const struct call *call, const struct access_key *key, struct buf *out)
{
    if (call->invocation->json) {
        schema_to_json(&access_key_schema, key, out);
        return;
    }
    write_line(out, &key->id, state_of(key->revoked_at, earlier(key->expires_at, key->ends_at)),
               key->last_used_at, key->label);
    for (size_t i = 0; i < key->scopes.count; i++)
        buf_printf(out, "%s%s", i == 0 ? "  (" : " ", key->scopes.items[i]);
    buf_puts(out, key->scopes.count > 0 ? ")\n" : "\n");
}

static void write_platform_key(const struct call *call, const struct platform_key *key,
                               struct buf *out)
{
    if (call->invocation->json) {
        schema_to_json(&platform_key_schema, key, out);
        return;
    }
    write_line(out, &key->id, state_of(key->revoked_at, key->expires_at), key->last_used_at,
               key->label);
    buf_putc(out, '\n');
}

static void begin_list(const struct call *call, struct buf *out)
{
    if (call->invocation->json)
        buf_puts(out, "{\"keys\":[");
    else
        buf_printf(out, "%-36s  %-5s  %-24s  %s\n", "id", "state", "last used", "label");
}

static enum err list_page(struct ctx *ctx, struct buf *out, void *arg, bool *ret_more)
{
    struct call *call = arg;
    const struct uuid after = call->after;
    struct list page = {0};

    if (!call->begun)
        begin_list(call, out);
    if (call->platform)
        TRY(platform_key_list(ctx, 0, &page));
    else
        TRY(access_key_list(ctx, &after, PAGE, &page));

    const struct access_key *keys = page.items;
    const struct platform_key *platform_keys = page.items;

    for (size_t i = 0; i < page.count; i++) {
        if (call->invocation->json && (call->begun || i > 0))
            buf_putc(out, ',');
        if (call->platform)
            write_platform_key(call, &platform_keys[i], out);
        else
            write_access_key(call, &keys[i], out);
    }
    call->begun = true;
    *ret_more = !call->platform && page.count == PAGE;
    if (*ret_more)
        call->after = keys[page.count - 1].id;
    else if (call->invocation->json)
        buf_puts(out, "]}\n");
    return ERR_OK;
}

static enum err list(const struct invocation *invocation, struct session_of_command *session,
                     struct buf *out, void *arg)
{
    struct call *call = arg;

    (void)out;
    call->invocation = invocation;
    TRY(use_tenant(session, call));
    return command_pages(invocation, session, list_page, call);
}

static int run_list(struct invocation *invocation, int argc, char **argv)
{
    struct call call = {0};
    const struct command_option options[] = {
        {"tenant", &call.tenant, NULL}, {"platform", NULL, &call.platform}, {0}};
    int status;

    if (!command_parse(invocation, argc, argv, options, &status))
        return status;
    if (!command_wants_args(invocation, 0, NULL))
        return COMMAND_USAGE;
    if (check_whose(&call) != NULL)
        return command_usage(invocation, "%s", check_whose(&call));
    return command_work(invocation, list, &call);
}

/* --- create, rotate --- */

struct made {
    const struct uuid *id;
    const char *label, *text;
    int64_t expires_at;
};

static enum err write_made(const struct invocation *invocation, const struct made *made,
                           struct buf *out)
{
    char id[UUID_TEXT_SIZE];

    if (invocation->json) {
        buf_putc(out, '{');
        command_json_uuid(out, "id", made->id);
        command_json_text(out, "label", made->label);
        command_json_time(out, "expires_at", made->expires_at);
        command_json_text(out, "key", made->text);
        buf_putc(out, '}');
        return ERR_OK;
    }
    uuid_text(made->id, id);
    buf_printf(out, "id   %s\nkey  %s\nThe key is shown only this once.\n", id, made->text);
    return ERR_OK;
}

/* Keys of tenants and of the platform name what they tell alike. */
#define MADE(from)                             \
    (&(struct made){.id = &(from).key.id,      \
                    .label = (from).key.label, \
                    .text = (from).text,       \
                    .expires_at = (from).key.expires_at})

/* By the table of the API for this kind of key. */
static enum err label_of(struct ctx *ctx, const struct call *call, const char **ret_label)
{
    const struct command_word words[] = {
        {"label", call->label != NULL ? call->label : DEFAULT_LABEL}, {0}};
    struct access_key_input key = {0};
    struct admin_key_input platform = {0};

    if (call->platform)
        TRY(command_decode(ctx, &admin_key_input_schema, DECODE_INPUT, words, &platform));
    else
        TRY(command_decode(ctx, &access_key_input_schema, DECODE_INPUT, words, &key));
    *ret_label = call->platform ? platform.label : key.label;
    return ERR_OK;
}

/* "auth users:read" or "auth,users:read". */
static enum err scopes_of(struct ctx *ctx, const char *text, const char **ret_scopes)
{
    const char *items[ACCESS_KEY_MAX_SCOPES];
    struct strs scopes = {0};
    char *rest = text != NULL ? arena_strdup(ctx->arena, text) : NULL;

    if (text != NULL && rest == NULL)
        return ERR_MEMORY;
    if (text != NULL)
        scopes.items = items;
    for (char *word = strsep(&rest, " ,"); word != NULL; word = strsep(&rest, " ,")) {
        if (word[0] == '\0')
            continue;
        if (scopes.count == ACCESS_KEY_MAX_SCOPES)
            return fail(ctx, ERR_VALIDATION, "--scope", "--scope: there are too many.");
        items[scopes.count++] = word;
    }
    return access_key_join_scopes(ctx, &scopes, ret_scopes);
}

static enum err create(const struct invocation *invocation, struct session_of_command *session,
                       struct buf *out, void *arg)
{
    const struct call *call = arg;
    struct ctx *ctx = &session->ctx;
    struct new_access_key wanted = {0};
    struct made_platform_key platform;
    struct made_key made;

    TRY(label_of(ctx, call, &wanted.label));
    if (call->expires != NULL)
        TRY(command_moment(ctx, "--expires", call->expires, &wanted.expires_at));
    if (call->platform) {
        TRY(platform_key_create(ctx, wanted.label, wanted.expires_at, &platform));
        return write_made(invocation, MADE(platform), out);
    }
    TRY(scopes_of(ctx, call->scope, &wanted.scopes));
    TRY(use_tenant(session, call));
    TRY(access_key_create(ctx, &wanted, &made));
    return write_made(invocation, MADE(made), out);
}

static int run_create(struct invocation *invocation, int argc, char **argv)
{
    struct call call = {0};
    const struct command_option options[] = {
        {"tenant", &call.tenant, NULL},   {"platform", NULL, &call.platform},
        {"label", &call.label, NULL},     {"scope", &call.scope, NULL},
        {"expires", &call.expires, NULL}, {0},
    };
    int status;

    if (!command_parse(invocation, argc, argv, options, &status))
        return status;
    if (!command_wants_args(invocation, 0, NULL))
        return COMMAND_USAGE;
    if (check_whose(&call) != NULL)
        return command_usage(invocation, "%s", check_whose(&call));
    if (call.platform && call.scope != NULL)
        return command_usage(invocation, "a platform key has no scopes");
    return command_work(invocation, create, &call);
}

static enum err not_there(struct ctx *ctx, enum err err)
{
    if (err != ERR_NOT_FOUND)
        return err;
    fail_clear(ctx);
    return fail(ctx, err, NULL, "There is no such key that still works.");
}

static enum err rotate(const struct invocation *invocation, struct session_of_command *session,
                       struct buf *out, void *arg)
{
    const struct call *call = arg;
    struct ctx *ctx = &session->ctx;
    struct made_platform_key platform;
    struct made_key made;
    int64_t overlap = 0;

    if (call->overlap != NULL)
        TRY(command_duration(ctx, "--overlap", call->overlap, &overlap));
    if (overlap > OVERLAP_MAX_MS)
        return fail(ctx, ERR_VALIDATION, "--overlap", "--overlap: must be at most 7d.");
    if (call->platform) {
        TRY(not_there(ctx, platform_key_rotate(ctx, &call->id, overlap / 1000, &platform)));
        return write_made(invocation, MADE(platform), out);
    }
    TRY(use_tenant(session, call));
    TRY(not_there(ctx, access_key_rotate(ctx, &call->id, overlap, &made)));
    return write_made(invocation, MADE(made), out);
}

/* --- delete --- */

static enum err delete_key(const struct invocation *invocation, struct session_of_command *session,
                           struct buf *out, void *arg)
{
    const struct call *call = arg;
    struct ctx *ctx = &session->ctx;

    TRY(use_tenant(session, call));
    TRY(not_there(ctx, call->platform ? platform_key_revoke(ctx, &call->id)
                                      : access_key_delete(ctx, &call->id)));
    if (!invocation->json) {
        buf_puts(out, "deleted\n");
        return ERR_OK;
    }
    buf_putc(out, '{');
    command_json_uuid(out, "deleted", &call->id);
    buf_putc(out, '}');
    return ERR_OK;
}

/* rotate and delete name a key. */
static int run_on_key(struct invocation *invocation, int argc, char **argv, bool rotates)
{
    struct call call = {0};
    const struct command_option options[] = {
        {"tenant", &call.tenant, NULL},
        {"platform", NULL, &call.platform},
        {rotates ? "overlap" : NULL, &call.overlap, NULL},
        {0},
    };
    int status;

    if (!command_parse(invocation, argc, argv, options, &status))
        return status;
    if (!command_wants_args(invocation, 1, "the id of the key"))
        return COMMAND_USAGE;
    if (!uuid_parse(invocation->args[0], &call.id))
        return command_usage(invocation, "\"%.60s\" is not the id of a key", invocation->args[0]);
    if (check_whose(&call) != NULL)
        return command_usage(invocation, "%s", check_whose(&call));
    return command_work(invocation, rotates ? rotate : delete_key, &call);
}

static int run_rotate(struct invocation *invocation, int argc, char **argv)
{
    return run_on_key(invocation, argc, argv, true);
}

static int run_delete(struct invocation *invocation, int argc, char **argv)
{
    return run_on_key(invocation, argc, argv, false);
}

static int run(struct invocation *invocation, int argc, char **argv)
{
    static const struct command_action actions[] = {
        {"list", run_list},
        {"create", run_create},
        {"rotate", run_rotate},
        {"delete", run_delete},
        {0},
    };

    return command_dispatch(invocation, argc, argv, actions);
}

const struct command command_key = {
    .name = "key",
    .summary = "make, list, replace and end access keys and platform keys",
    .help = "usage: tenantd key list (--tenant SLUG | --platform)\n"
            "       tenantd key create (--tenant SLUG [--scope SCOPES] | --platform)\n"
            "                          [--label TEXT] [--expires TIME]\n"
            "       tenantd key rotate ID (--tenant SLUG | --platform) [--overlap TIME]\n"
            "       tenantd key delete ID (--tenant SLUG | --platform)\n"
            "\n"
            "Access keys are for programs of a tenant, platform keys for /admin. A key is shown\n"
            "once, when it is made. An ended key is refused by all instances within a second.\n"
            "\n"
            "  --scope SCOPES    auth, users:read, users:write, users:hashes, schema, audit:read;\n"
            "                    default: " ACCESS_KEY_DEFAULT_SCOPES "\n"
            "  --label TEXT      what it is for\n"
            "  --expires TIME    2030-01-31T09:30:00Z, or 30d from now; default: never\n"
            "  --overlap TIME    rotate: how long the old key works on, at most 7d; default 0\n"
            "  --config FILE   default: $TENANTD_CONFIG, ./config.yaml, /etc/tenantd/config.yaml\n"
            "  --json          JSON on standard output\n"
            "\n"
            "Examples:\n"
            "  tenantd key create --tenant acme --label billing --scope 'auth users:read' \\\n"
            "      --expires 90d --json | jq -r .key\n"
            "  tenantd key create --platform --label deployment\n"
            "  tenantd key list --tenant acme\n",
    .run = run,
};
