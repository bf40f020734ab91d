/* tenantd tenant: makes, lists and shows tenants. */
#include <string.h>

#include "app/clock.h"
#include "app/password.h"
#include "app/router.h"
#include "app/text.h"
#include "commands/commands.h"
#include "models/tenant.h"
#include "models/tenant_records.h"

#define TEXT_MAX ((size_t)8 * 1024 * 1024)
#define PAGE     200

static const char *status_word(int status)
{
    return status > TENANT_STATUS_UNSET && status <= TENANT_PURGING ? tenant_status_names[status]
                                                                    : "";
}

/* Opens "{" and leaves the object open for more members. */
static void begin_tenant(struct buf *out, const struct tenant *tenant)
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

static enum err check_text(struct ctx *ctx, const char *option, const char *text,
                           const char *(*check)(const char *))
{
    const char *problem = text != NULL ? check(text) : NULL;

    if (problem != NULL)
        return fail(ctx, ERR_VALIDATION, option, "%s: %s", option, problem);
    return ERR_OK;
}

static enum err plan_of(struct ctx *ctx, const char *word, int *ret_plan)
{
    *ret_plan = PLAN_FREE;
    if (word == NULL)
        return ERR_OK;
    for (int i = PLAN_FREE; i < PLAN_COUNT; i++) {
        *ret_plan = i;
        if (strcmp(word, plan_names[i]) == 0)
            return ERR_OK;
    }
    return fail(ctx, ERR_VALIDATION, "--plan",
                "--plan: must be free, basic, premium or enterprise");
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
    struct new_tenant wanted = {
        .slug = creation->slug,
        .name = creation->name,
        .owner_username = creation->username,
        .owner_email = creation->email,
        .with_key = creation->with_key,
        .is_reserved = router_is_reserved_slug,
    };

    TRY(check_text(ctx, "--name", creation->name, text_check_name));
    TRY(check_text(ctx, "--slug", creation->slug, text_check_slug));
    TRY(check_text(ctx, "--owner-username", creation->username, text_check_username));
    TRY(check_text(ctx, "--owner-email", creation->email, text_check_email));
    if (creation->slug != NULL && router_is_reserved_slug(creation->slug))
        return fail(ctx, ERR_SLUG_RESERVED, "--slug",
                    "--slug: \"%s\" is reserved; choose another one.", creation->slug);
    TRY(plan_of(ctx, creation->plan, &wanted.plan));
    TRY(owner_hash(ctx, creation, &wanted.owner_password_hash));
    return tenant_create(ctx, &wanted, ret_created);
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
        begin_tenant(&text, &created->tenant);
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

static void write_page(const struct invocation *invocation, const struct list *page, bool first,
                       struct buf *out)
{
    const struct tenant *tenants = page->items;

    for (size_t i = 0; i < page->count; i++) {
        if (invocation->json) {
            buf_puts(out, first && i == 0 ? "" : ",");
            begin_tenant(out, &tenants[i]);
            buf_putc(out, '}');
            continue;
        }
        char created[TIME_TEXT_SIZE];
        time_text(tenants[i].created_at, created);
        buf_printf(out, "%-24s  %-10s  %-9s  %.10s  %s\n", tenants[i].slug,
                   plan_names[tenants[i].plan], status_word(tenants[i].status), created,
                   tenants[i].name);
    }
}

static enum err list_all(const struct invocation *invocation, struct session_of_command *session,
                         struct buf *out)
{
    const char *after = NULL;
    struct list page = {0};

    if (invocation->json)
        buf_puts(out, "{\"tenants\":[");
    else
        buf_printf(out, "%-24s  %-10s  %-9s  %-10s  %s\n", "slug", "plan", "status", "created",
                   "name");
    do {
        TRY(tenant_list_all(&session->ctx, after, PAGE, &page));
        write_page(invocation, &page, after == NULL, out);
        const struct tenant *tenants = page.items;
        after = page.count > 0 ? tenants[page.count - 1].slug : after;
    } while (page.count == PAGE);
    if (invocation->json)
        buf_puts(out, "]}");
    return ERR_OK;
}

static int run_list(struct invocation *invocation, int argc, char **argv)
{
    struct session_of_command session;
    struct buf text;
    int status;

    if (!command_parse(invocation, argc, argv, NULL, &status))
        return status;
    if (!command_wants_args(invocation, 0, NULL))
        return COMMAND_USAGE;
    if (!command_open(invocation, &session, &status))
        return status;
    buf_init(&text, &session.arena, TEXT_MAX);
    enum err err = list_all(invocation, &session, &text);
    status = err == ERR_OK ? command_print(invocation, &text) : command_failed(&session.ctx, err);
    command_close(&session);
    return status;
}

/* --- show --- */

static enum err show(const struct invocation *invocation, struct session_of_command *session,
                     struct buf *out)
{
    struct ctx *ctx = &session->ctx;
    const char *issuer = NULL;
    struct tenant_usage usage = {0};
    char text[UUID_TEXT_SIZE > TIME_TEXT_SIZE ? UUID_TEXT_SIZE : TIME_TEXT_SIZE];

    TRY(command_use_tenant(session, invocation->args[0]));
    const struct tenant *tenant = ctx->tenant;
    TRY(tenant_usage_get(ctx, &usage));
    TRY(tenant_issuer(ctx, tenant, &issuer));
    if (invocation->json) {
        begin_tenant(out, tenant);
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
    struct session_of_command session;
    struct buf text;
    int status;

    if (!command_parse(invocation, argc, argv, NULL, &status))
        return status;
    if (!command_wants_args(invocation, 1, "the slug"))
        return COMMAND_USAGE;
    if (!command_open(invocation, &session, &status))
        return status;
    buf_init(&text, &session.arena, TEXT_MAX);
    enum err err = show(invocation, &session, &text);
    status = err == ERR_OK ? command_print(invocation, &text) : command_failed(&session.ctx, err);
    command_close(&session);
    return status;
}

static int run(struct invocation *invocation, int argc, char **argv)
{
    static const struct command_action actions[] = {
        {"create", run_create},
        {"list", run_list},
        {"show", run_show},
        {0},
    };

    return command_dispatch(invocation, argc, argv, actions);
}

const struct command command_tenant = {
    .name = "tenant",
    .summary = "make, list and show tenants",
    .help =
        "usage: tenantd tenant create --name NAME [--slug SLUG] [--plan PLAN]\n"
        "                             [--owner-username NAME] [--owner-email ADDRESS]\n"
        "                             [--owner-password-file FILE|-] [--with-key]\n"
        "       tenantd tenant list\n"
        "       tenantd tenant show SLUG\n"
        "\n"
        "  --name NAME                   shown to people\n"
        "  --slug SLUG                   in host names and paths; made from the name if absent\n"
        "  --plan PLAN                   free (default), basic, premium or enterprise\n"
        "  --owner-username NAME         the first user, with role owner\n"
        "  --owner-email ADDRESS         instead of or besides the user name\n"
        "  --owner-password-file FILE    whose first line is the password; - reads standard\n"
        "                                input, without echo on a terminal\n"
        "  --with-key                    also make an access key and print it once\n"
        "  --config FILE   default: $TENANTD_CONFIG, ./config.yaml, /etc/tenantd/config.yaml\n"
        "  --json          JSON on standard output\n"
        "\n"
        "Examples:\n"
        "  tenantd tenant create --name 'Acme Corporation' --slug acme --plan basic \\\n"
        "      --owner-username ada --owner-email ada@acme.example --owner-password-file -\n"
        "  tenantd tenant create --name 'AI Platform' --with-key --json | jq -r .access_key\n"
        "  tenantd tenant show acme\n",
    .run = run,
};
