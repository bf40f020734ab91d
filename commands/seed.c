/* tenantd seed demo: three tenants with one owner each, to try things out. */
#include <string.h>
#include <time.h>

#include "app/clock.h"
#include "app/password.h"
#include "commands/commands.h"
#include "models/demo.h"
#include "models/demo_client.h"
#include "models/tenant.h"

#define TEXT_MAX ((size_t)64 * 1024)
#define PAUSE_MS 250
#define WAIT_MS  90000 /* longer than a reservation lasts */

static enum err create(struct ctx *ctx, size_t index)
{
    const char *slug = demo_tenants[index].slug;
    struct created_tenant created = {0};
    const char *hash = NULL, *password = NULL;
    const char *email = arena_printf(ctx->arena, "demo@%s.example", slug);

    if (email == NULL)
        return ERR_MEMORY;
    TRY(demo_password(ctx, slug, &password));
    TRY(password_hash(ctx, password, &hash));
    const struct new_tenant wanted = {
        .slug = slug,
        .name = demo_tenants[index].name,
        .plan = PLAN_FREE,
        .owner_username = DEMO_USERNAME,
        .owner_email = email,
        .owner_password_hash = hash,
    };
    return tenant_create(ctx, &wanted, &created);
}

/* ERR_SLUG_TAKEN: somebody is making it now, or was interrupted and its reservation has not
 * expired. */
static enum err try_once(struct ctx *ctx, size_t index, bool *ret_created)
{
    const struct tenant *tenant = NULL;
    int64_t removed = 0;

    *ret_created = false;
    enum err found = tenant_get_by_slug(ctx, demo_tenants[index].slug, &tenant);
    if (found != ERR_TENANT_NOT_FOUND)
        return found;
    fail_clear(ctx);
    TRY(tenant_remove_expired(ctx, &removed));
    *ret_created = true;
    return create(ctx, index);
}

/* The client of its playground. */
static enum err seed_client(struct ctx *ctx, const char *slug)
{
    struct tenant *tenant = ARENA_NEW(ctx->arena, struct tenant);

    if (tenant == NULL)
        return ERR_MEMORY;
    TRY(tenant_find_by_slug(ctx, slug, tenant));
    ctx_set_tenant(ctx, tenant, &tenant->id);
    return demo_client_ensure(ctx);
}

static enum err seed_tenant(struct ctx *ctx, size_t index)
{
    const char *slug = demo_tenants[index].slug;
    const struct timespec pause = {.tv_nsec = PAUSE_MS * 1000000L};
    const int64_t until = clock_monotonic_ms() + WAIT_MS;
    bool created = false, told = false;
    enum err err;

    while ((err = try_once(ctx, index, &created)) == ERR_SLUG_TAKEN &&
           clock_monotonic_ms() < until) {
        if (!told)
            fprintf(stderr, "%s: is being made elsewhere, or was interrupted; waiting\n", slug);
        told = true;
        fail_clear(ctx);
        ctx_clear(ctx);
        nanosleep(&pause, NULL);
    }
    if (err == ERR_OK)
        fprintf(stderr, "%s: %s\n", slug, created ? "created" : "is there already");
    if (err == ERR_OK)
        err = seed_client(ctx, slug);
    ctx_set_tenant(ctx, NULL, NULL);
    ctx_clear(ctx);
    return err;
}

/* scheme://<slug>.<base domain>[:port]/ of the tenant. */
static const char *url_of(struct ctx *ctx, const char *slug)
{
    const struct config *config = app_config(ctx->app);
    const char *url = config->server.public_url;
    const char *host = strstr(url, "://") + 3;
    const char *port = strrchr(host, ':');

    if (port != NULL && strchr(port, ']') != NULL)
        port = NULL;
    return arena_printf(ctx->arena, "%.*s%s.%s%s/", (int)(host - url), url, slug,
                        config->tenants.base_domains.items[0], port != NULL ? port : "");
}

static const char *password_of(struct ctx *ctx, const char *slug)
{
    const char *password = NULL;

    return demo_password(ctx, slug, &password) == ERR_OK ? password : "";
}

static void write_json(struct ctx *ctx, struct buf *out)
{
    buf_puts(out, "{\"tenants\":[");
    for (size_t i = 0; i < demo_tenant_count; i++) {
        const char *slug = demo_tenants[i].slug;
        buf_puts(out, i > 0 ? ",{" : "{");
        command_json_text(out, "slug", slug);
        command_json_text(out, "url", url_of(ctx, slug));
        command_json_text(out, "username", DEMO_USERNAME);
        command_json_text(out, "password", password_of(ctx, slug));
        buf_putc(out, '}');
    }
    buf_puts(out, "]}");
}

static void write_table(struct ctx *ctx, struct buf *out)
{
    buf_printf(out, "%-10s  %-34s  %-8s  %s\n", "tenant", "URL", "user", "password");
    for (size_t i = 0; i < demo_tenant_count; i++) {
        const char *slug = demo_tenants[i].slug;
        buf_printf(out, "%-10s  %-34s  %-8s  %s\n", slug, url_of(ctx, slug), DEMO_USERNAME,
                   password_of(ctx, slug));
    }
}

static int seed(const struct invocation *invocation, struct session_of_command *session)
{
    struct ctx *ctx = &session->ctx;
    struct buf text;

    if (!app_is_development(session->app)) {
        fputs("tenantd: demo tenants have passwords that everybody knows, so they exist only with "
              "environment: development; use \"tenantd tenant create\"\n",
              stderr);
        return COMMAND_FAILED;
    }
    for (size_t i = 0; i < demo_tenant_count; i++) {
        enum err err = seed_tenant(ctx, i);
        if (err != ERR_OK)
            return command_failed(ctx, err);
    }
    buf_init(&text, &session->arena, TEXT_MAX);
    if (invocation->json)
        write_json(ctx, &text);
    else
        write_table(ctx, &text);
    return command_print(invocation, &text);
}

static int run_demo(struct invocation *invocation, int argc, char **argv)
{
    struct session_of_command session;
    int status;

    if (!command_parse(invocation, argc, argv, NULL, &status))
        return status;
    if (!command_wants_args(invocation, 0, NULL))
        return COMMAND_USAGE;
    if (!command_open(invocation, &session, &status))
        return status;
    status = seed(invocation, &session);
    command_close(&session);
    return status;
}

static int run(struct invocation *invocation, int argc, char **argv)
{
    static const struct command_action actions[] = {{"demo", run_demo}, {0}};

    return command_dispatch(invocation, argc, argv, actions);
}

const struct command command_seed = {
    .name = "seed",
    .summary = "make demo tenants to try things out (development only)",
    .help = "usage: tenantd seed demo [--json]\n"
            "\n"
            "Makes the tenants client1, client2 and default, each with the owner \"demo\" and the\n"
            "OAuth client of its playground, and prints where they are. What is there already "
            "stays as it is, so it may be run\n"
            "again at any time. Only with environment: development.\n"
            "\n"
            "  --config FILE   default: $TENANTD_CONFIG, ./config.yaml, /etc/tenantd/config.yaml\n"
            "  --json          {\"tenants\": [{slug, url, username, password}]}\n"
            "\n"
            "Examples:\n"
            "  tenantd seed demo\n"
            "  tenantd seed demo --json | jq -r '.tenants[0].url'\n",
    .run = run,
};
