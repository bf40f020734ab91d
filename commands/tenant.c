/* tenantd tenant: makes, lists and shows tenants; tenant_change.c changes them. */
#include "commands/tenant.h"

#include <string.h>

#include "app/clock.h"
#include "app/password.h"
#include "app/router.h"
#include "models/creation.h"
#include "models/tenant_admin.h"
#include "models/tenant_records.h"

#define TEXT_MAX  ((size_t)8 * 1024 * 1024)
#define PAGE      200
#define SLUG_SIZE 64

static const char *status_word(int status)
{
    return status > TENANT_STATUS_UNSET && status <= TENANT_PURGING ? tenant_status_names[status]
                                                                    : "";
}

void tenant_begin_json(struct buf *out, const struct tenant *tenant)
{
    char id[UUID_TEXT_SIZE], created[TIME_TEXT_SIZE];

    uuid_text(&tenant->id, id);
    time_text(tenant->created_at, created);
    buf_putc(out, '{');
    command_json_text(out, "id", id);
    command_json_text(out, "slug", tenant->slug);
    command_json_text(out, "name", tenant->name);
    command_json_text(out, "industry", tenant->industry);
    command_json_text(out, "domain", tenant->domain);
    command_json_text(out, "plan", plan_names[tenant->plan]);
    command_json_text(out, "status", status_word(tenant->status));
    command_json_text(out, "created_at", created);
}

/* --- create --- */

struct creation {
    const char *name, *slug, *plan, *username, *email, *password_file;
    bool with_key;
};

enum err tenant_word(struct ctx *ctx, const char *option, const char *word,
                     const char *const *names, int *ret_value)
{
    struct buf all;

    if (word == NULL)
        return ERR_OK;
    buf_init(&all, ctx->arena, 1024);
    for (int i = 1; names[i] != NULL; i++) {
        *ret_value = i;
        if (strcmp(word, names[i]) == 0)
            return ERR_OK;
        buf_printf(&all, "%s%s", i == 1 ? "" : names[i + 1] != NULL ? ", " : " or ", names[i]);
    }
    return fail(ctx, ERR_VALIDATION, option, "%s: must be %s", option, buf_text(&all));
}

static enum err owner_hash(struct ctx *ctx, const struct creation *creation, const char **ret_hash)
{
    const int64_t least = app_config(ctx->app)->password.min_length;
    const char *password = NULL;

    if (creation->password_file == NULL)
        return ERR_OK;
    TRY(command_read_password(ctx, creation->password_file, &password));
    TRY(password_prepare(ctx, "password", password, least, &password));
    return password_hash(ctx, password, ret_hash);
}

static enum err create(struct ctx *ctx, const struct creation *creation,
                       struct created_tenant *ret_created)
{
    const struct command_word words[] = {{"name", creation->name},
                                         {"slug", creation->slug},
                                         {"owner_username", creation->username},
                                         {"owner_email", creation->email},
                                         {0}};
    struct admin_tenant_input in = {.plan = PLAN_FREE};
    const char *hash = NULL;

    TRY(command_decode(ctx, &admin_tenant_input_schema, DECODE_INPUT, words, &in));
    if (in.slug != NULL && router_is_reserved_slug(in.slug))
        return fail(ctx, ERR_SLUG_RESERVED, "slug", "The slug \"%s\" is reserved; choose another.",
                    in.slug);
    TRY(tenant_word(ctx, "--plan", creation->plan, plan_names, &in.plan));
    TRY(owner_hash(ctx, creation, &hash));
    return tenant_create(ctx,
                         &(struct new_tenant){.slug = in.slug,
                                              .name = in.name,
                                              .plan = in.plan,
                                              .owner_username = in.owner_username,
                                              .owner_email = in.owner_email,
                                              .owner_password_hash = hash,
                                              .with_key = creation->with_key,
                                              .is_reserved = router_is_reserved_slug},
                         ret_created);
}

static int print_created(const struct invocation *invocation, struct session_of_command *session,
                         const struct created_tenant *created)
{
    char owner[UUID_TEXT_SIZE];
    struct buf text;

    buf_init(&text, &session->arena, TEXT_MAX);
    uuid_text(&created->owner_id, owner);
    const bool has_owner = !uuid_is_zero(&created->owner_id);
    if (invocation->json) {
        tenant_begin_json(&text, &created->tenant);
        command_json_text(&text, "owner_id", has_owner ? owner : NULL);
        command_json_text(&text, "access_key", created->access_key);
        buf_putc(&text, '}');
        return command_print(invocation, &text);
    }
    char id[UUID_TEXT_SIZE];
    uuid_text(&created->tenant.id, id);
    buf_printf(&text, "tenant %s\n  id          %s\n", created->tenant.slug, id);
    if (has_owner)
        buf_printf(&text, "  owner       %s\n", owner);
    if (created->access_key != NULL)
        buf_printf(&text, "  access key  %s\nThe key is shown only this once.\n",
                   created->access_key);
    return command_print(invocation, &text);
}

static int run_create(struct invocation *invocation, int argc, char **argv)
{
    struct creation creation = {0};
    const struct command_option options[] = {
        {"name", &creation.name, NULL},
        {"slug", &creation.slug, NULL},
        {"plan", &creation.plan, NULL},
        {"owner-username", &creation.username, NULL},
        {"owner-email", &creation.email, NULL},
        {"owner-password-file", &creation.password_file, NULL},
        {"with-key", NULL, &creation.with_key},
        {0},
    };
    struct session_of_command session;
    struct created_tenant created = {0};
    int status;

    if (!command_parse(invocation, argc, argv, options, &status))
        return status;
    if (!command_wants_args(invocation, 0, NULL))
        return COMMAND_USAGE;
    if (creation.name == NULL)
        return command_usage(invocation, "--name is missing");
    const bool has_owner = creation.username != NULL || creation.email != NULL;
    if (has_owner != (creation.password_file != NULL))
        return command_usage(invocation, "an owner needs --owner-username or --owner-email, and "
                                         "--owner-password-file");
    if (!has_owner && !creation.with_key)
        return command_usage(invocation, "nobody could use this tenant: give it an owner or "
                                         "--with-key");
    if (!command_open(invocation, &session, &status))
        return status;
    enum err err = create(&session.ctx, &creation, &created);
    status = err == ERR_OK ? print_created(invocation, &session, &created)
                           : command_failed(&session.ctx, err);
    command_close(&session);
    return status;
}

/* --- list --- */

struct listing {
    const struct invocation *invocation;
    struct tenant_search search;
    char after[SLUG_SIZE];
    bool begun;
};

static void write_row(const struct listing *listing, const struct tenant *tenant, bool first,
                      struct buf *out)
{
    char created[TIME_TEXT_SIZE];

    if (listing->invocation->json) {
        buf_puts(out, first ? "" : ",");
        tenant_begin_json(out, tenant);
        buf_putc(out, '}');
        return;
    }
    time_text(tenant->created_at, created);
    buf_printf(out, "%-24s  %-10s  %-9s  %.10s  %s\n", tenant->slug, plan_names[tenant->plan],
               status_word(tenant->status), created, tenant->name);
}

static void begin_list(const struct invocation *invocation, struct buf *out)
{
    if (invocation->json)
        buf_puts(out, "{\"tenants\":[");
    else
        buf_printf(out, "%-24s  %-10s  %-9s  %-10s  %s\n", "slug", "plan", "status", "created",
                   "name");
}

static enum err list_page(struct ctx *ctx, struct buf *out, void *arg, bool *ret_more)
{
    struct listing *listing = arg;
    struct tenant_position next;
    struct list found = {0};

    if (!listing->begun)
        begin_list(listing->invocation, out);
    TRY(tenant_search(ctx, &listing->search, &found, &next));

    const struct tenant *tenants = found.items;

    for (size_t i = 0; i < found.count; i++)
        write_row(listing, &tenants[i], !listing->begun && i == 0, out);
    listing->begun = true;
    *ret_more = next.slug != NULL;
    if (*ret_more) {
        (void)snprintf(listing->after, sizeof listing->after, "%s", next.slug);
        listing->search.after =
            (struct tenant_position){.by_name = next.by_name, .slug = listing->after};
    } else if (listing->invocation->json) {
        buf_puts(out, "]}\n");
    }
    return ERR_OK;
}

struct list_words {
    const char *search, *status, *plan;
};

static enum err list_all(const struct invocation *invocation, struct session_of_command *session,
                         struct buf *out, void *arg)
{
    const struct list_words *words = arg;
    struct listing listing = {.invocation = invocation,
                              .search = {.prefix = words->search, .limit = PAGE}};

    (void)out;
    TRY(tenant_word(&session->ctx, "--status", words->status, tenant_status_names,
                    &listing.search.status));
    TRY(tenant_word(&session->ctx, "--plan", words->plan, plan_names, &listing.search.plan));
    return command_pages(invocation, session, list_page, &listing);
}

static int run_list(struct invocation *invocation, int argc, char **argv)
{
    struct list_words words = {0};
    const struct command_option options[] = {{"search", &words.search, NULL},
                                             {"status", &words.status, NULL},
                                             {"plan", &words.plan, NULL},
                                             {0}};
    int status;

    if (!command_parse(invocation, argc, argv, options, &status))
        return status;
    if (!command_wants_args(invocation, 0, NULL))
        return COMMAND_USAGE;
    return command_work(invocation, list_all, &words);
}

/* --- show --- */

static enum err show(const struct invocation *invocation, struct session_of_command *session,
                     struct buf *out, void *arg)
{
    struct ctx *ctx = &session->ctx;
    const char *issuer = NULL;
    struct tenant_usage usage = {0};
    char text[UUID_TEXT_SIZE > TIME_TEXT_SIZE ? UUID_TEXT_SIZE : TIME_TEXT_SIZE];

    (void)arg;
    TRY(command_use_any_tenant(session, invocation->args[0]));
    const struct tenant *tenant = ctx->tenant;
    if (tenant->status != TENANT_DELETED)
        TRY(tenant_usage_get(ctx, &usage));
    TRY(tenant_issuer(ctx, tenant, &issuer));
    if (invocation->json) {
        tenant_begin_json(out, tenant);
        command_json_text(out, "issuer", issuer);
        command_json_int(out, "users", usage.users);
        command_json_int(out, "max_users", tenant_max_users(ctx));
        command_json_bool(out, "discoverable", tenant->discoverable);
        buf_putc(out, '}');
        return ERR_OK;
    }
    uuid_text(&tenant->id, text);
    buf_printf(out, "%s: %s\n  id          %s\n", tenant->slug, tenant->name, text);
    buf_printf(out, "  plan        %s\n  status      %s\n", plan_names[tenant->plan],
               status_word(tenant->status));
    if (tenant->industry != NULL)
        buf_printf(out, "  industry    %s\n", tenant->industry);
    if (tenant->domain != NULL)
        buf_printf(out, "  domain      %s\n", tenant->domain);
    buf_printf(out, "  users       %lld", (long long)usage.users);
    if (tenant_max_users(ctx) > 0)
        buf_printf(out, " of %lld", (long long)tenant_max_users(ctx));
    time_text(tenant->created_at, text);
    buf_printf(out, "\n  issuer      %s\n  created     %s\n", issuer, text);
    return ERR_OK;
}

static int run_show(struct invocation *invocation, int argc, char **argv)
{
    int status;

    if (!command_parse(invocation, argc, argv, NULL, &status))
        return status;
    if (!command_wants_args(invocation, 1, "the slug"))
        return COMMAND_USAGE;
    return command_work(invocation, show, NULL);
}

static int run(struct invocation *invocation, int argc, char **argv)
{
    static const struct command_action actions[] = {
        {"create", run_create},
        {"list", run_list},
        {"show", run_show},
        {"set", run_tenant_set},
        {"suspend", run_tenant_suspend},
        {"restore", run_tenant_restore},
        {"delete", run_tenant_delete},
        {0},
    };

    return command_dispatch(invocation, argc, argv, actions);
}

const struct command command_tenant = {
    .name = "tenant",
    .summary = "make, list, show, change and delete tenants",
    .help =
        "usage: tenantd tenant create --name NAME [--slug SLUG] [--plan PLAN]\n"
        "                             [--owner-username NAME] [--owner-email ADDRESS]\n"
        "                             [--owner-password-file FILE|-] [--with-key]\n"
        "       tenantd tenant list [--search TEXT] [--status STATUS] [--plan PLAN]\n"
        "       tenantd tenant show SLUG\n"
        "       tenantd tenant set SLUG [--name NAME] [--industry WORD] [--plan PLAN]\n"
        "                               [--limit NAME=NUMBER,...] [--discoverable yes|no]\n"
        "       tenantd tenant suspend SLUG\n"
        "       tenantd tenant restore SLUG\n"
        "       tenantd tenant delete SLUG --confirm SLUG\n"
        "\n"
        "A suspended tenant answers like an unknown one, and all its sessions and tokens have\n"
        "ended. \"delete\" does the same and removes it for good after\n"
        "tenants.deletion_grace_days, until when \"restore\" keeps it.\n"
        "\n"
        "  --name NAME                   shown to people\n"
        "  --slug SLUG                   in host names and paths; made from the name if absent\n"
        "  --plan PLAN                   free (default), basic, premium or enterprise\n"
        "  --owner-username NAME         the first user, with role owner\n"
        "  --owner-email ADDRESS         instead of or besides the user name\n"
        "  --owner-password-file FILE    whose first line is the password; - reads standard\n"
        "                                input, without echo on a terminal\n"
        "  --with-key                    also make an access key and print it once\n"
        "  --search TEXT                 how slug or name begins\n"
        "  --status STATUS               active, suspended, deleting …; without it all that are\n"
        "                                not gone\n"
        "  --limit NAME=NUMBER,...       users, access_keys, clients, requests_per_minute,\n"
        "                                audit_days:\n"
        "                                beside the plan's; 0 is unlimited, NAME=plan gives it\n"
        "                                back to the plan\n"
        "  --industry WORD               '' clears it\n"
        "  --discoverable yes|no         whether the public list shows it\n"
        "  --config FILE   default: $TENANTD_CONFIG, ./config.yaml, /etc/tenantd/config.yaml\n"
        "  --json          JSON on standard output\n"
        "\n"
        "Examples:\n"
        "  tenantd tenant create --name 'Acme Corporation' --slug acme --plan basic \\\n"
        "      --owner-username ada --owner-email ada@acme.example --owner-password-file -\n"
        "  tenantd tenant create --name 'AI Platform' --with-key --json | jq -r .access_key\n"
        "  tenantd tenant set acme --plan premium --limit users=500,access_keys=plan\n"
        "  tenantd tenant list --status suspended --json | jq -r '.tenants[].slug'\n",
    .run = run,
};
