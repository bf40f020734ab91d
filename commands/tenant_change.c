/* tenantd tenant set, suspend, restore, delete: what /admin does, by the same models. */
#include "commands/tenant.h"

#include <string.h>

#include "app/clock.h"
#include "app/value.h"
#include "models/tenant_admin.h"
#include "models/tenant_life.h"

#define PLAN_WORD "plan" /* gives a limit back to the plan */

static void write_change(const struct invocation *invocation, const struct tenant *tenant,
                         struct buf *out)
{
    char time[TIME_TEXT_SIZE];

    if (invocation->json) {
        tenant_begin_json(out, tenant);
        buf_puts(out, ",\"limits\":");
        schema_to_json(&tenant_overrides_schema, &tenant->limits, out);
        command_json_time(out, "purge_at", tenant->purge_at);
        buf_putc(out, '}');
        return;
    }
    buf_printf(out, "%s: %s, plan %s\n", tenant->slug, tenant_status_names[tenant->status],
               plan_names[tenant->plan]);
    if (tenant->purge_at == 0)
        return;
    time_text(tenant->purge_at, time);
    buf_printf(out, "It is removed for good at %s; \"tenantd tenant restore %s\" keeps it.\n", time,
               tenant->slug);
}

/* --- set --- */

struct wanted {
    const char *slug, *name, *industry, *plan, *limits, *discoverable;
};

/* "users=500,access_keys=plan" as the object that the API takes. */
static enum err split_limits(struct ctx *ctx, const char *text, struct value *ret_limits)
{
    const size_t most = tenant_overrides_schema.field_count;
    struct member *members = arena_array(ctx->arena, most, sizeof *members);
    char *rest = arena_strdup(ctx->arena, text);
    size_t count = 0;

    if (members == NULL || rest == NULL)
        return ERR_MEMORY;
    for (char *part = strsep(&rest, ","); part != NULL; part = strsep(&rest, ",")) {
        char *equals = strchr(part, '=');

        if (equals == NULL || count == most)
            return fail(ctx, ERR_VALIDATION, "--limit",
                        "--limit: must be NAME=NUMBER or NAME=" PLAN_WORD ", with commas between");
        *equals = '\0';
        for (size_t i = 0; i < count; i++) {
            if (strcmp(members[i].name, part) == 0)
                return fail(ctx, ERR_VALIDATION, "--limit", "--limit: \"%s\" stands there twice",
                            part);
        }
        const bool back = strcmp(equals + 1, PLAN_WORD) == 0;
        members[count++] = (struct member){
            .name = part,
            .value = {.type = back ? VALUE_NULL : VALUE_STRING,
                      .plain = true,
                      .string = {.text = equals + 1, .length = strlen(equals + 1)}},
        };
    }
    *ret_limits =
        (struct value){.type = VALUE_OBJECT, .object = {.members = members, .count = count}};
    return ERR_OK;
}

static enum err read_limits(struct ctx *ctx, const char *text, struct tenant_change *change)
{
    struct value limits;

    if (text == NULL)
        return ERR_OK;
    TRY(split_limits(ctx, text, &limits));
    TRY(schema_decode(ctx, &tenant_overrides_schema, &limits, DECODE_PATCH, &change->limits));
    change->limits_mask = schema_present(&tenant_overrides_schema, &limits);
    return ERR_OK;
}

/* The words as a patch of the API, so that the same is allowed. */
static enum err read_texts(struct ctx *ctx, const struct wanted *wanted, const char *discoverable,
                           struct tenant_change *change)
{
    const struct command_word words[] = {{"name", wanted->name},
                                         {"industry", wanted->industry},
                                         {"discoverable", discoverable},
                                         {0}};
    struct tenant decoded = {0};

    TRY(command_decode(ctx, &tenant_schema, DECODE_PATCH, words, &decoded));
    change->name = decoded.name;
    change->has_industry = wanted->industry != NULL;
    change->industry = decoded.industry;
    change->has_discoverable = discoverable != NULL;
    change->discoverable = decoded.discoverable;
    return ERR_OK;
}

static enum err set(const struct invocation *invocation, struct session_of_command *session,
                    struct buf *out, void *arg)
{
    static const char *const answers[] = {NULL, "no", "yes", NULL};
    static const char *const booleans[] = {NULL, "false", "true"};
    const struct wanted *wanted = arg;
    struct tenant_change change = {0};
    struct tenant after = {0};
    struct ctx *ctx = &session->ctx;
    int answer = 0;

    TRY(tenant_word(ctx, "--plan", wanted->plan, plan_names, &change.plan));
    TRY(tenant_word(ctx, "--discoverable", wanted->discoverable, answers, &answer));
    TRY(read_texts(ctx, wanted, booleans[answer], &change));
    TRY(read_limits(ctx, wanted->limits, &change));
    TRY(command_use_any_tenant(session, wanted->slug));
    TRY(tenant_change(ctx, &change, &after));
    write_change(invocation, &after, out);
    return ERR_OK;
}

int run_tenant_set(struct invocation *invocation, int argc, char **argv)
{
    struct wanted wanted = {0};
    const struct command_option options[] = {
        {"name", &wanted.name, NULL},
        {"industry", &wanted.industry, NULL},
        {"plan", &wanted.plan, NULL},
        {"limit", &wanted.limits, NULL},
        {"discoverable", &wanted.discoverable, NULL},
        {0},
    };
    int status;

    if (!command_parse(invocation, argc, argv, options, &status))
        return status;
    if (!command_wants_args(invocation, 1, "the slug"))
        return COMMAND_USAGE;
    if (wanted.name == NULL && wanted.industry == NULL && wanted.plan == NULL &&
        wanted.limits == NULL && wanted.discoverable == NULL)
        return command_usage(invocation, "say what to change");
    wanted.slug = invocation->args[0];
    return command_work(invocation, set, &wanted);
}

/* --- suspend, restore, delete --- */

struct step {
    enum err (*take)(struct ctx *ctx, const struct uuid *id, struct tenant *ret_tenant);
};

static enum err take(const struct invocation *invocation, struct session_of_command *session,
                     struct buf *out, void *arg)
{
    const struct step *step = arg;
    struct tenant after = {0};

    TRY(command_use_any_tenant(session, invocation->args[0]));

    const struct uuid id = session->ctx.tenant_id;

    TRY(step->take(&session->ctx, &id, &after));
    write_change(invocation, &after, out);
    return ERR_OK;
}

static int run_step(struct invocation *invocation, int argc, char **argv, struct step step)
{
    int status;

    if (!command_parse(invocation, argc, argv, NULL, &status))
        return status;
    if (!command_wants_args(invocation, 1, "the slug"))
        return COMMAND_USAGE;
    return command_work(invocation, take, &step);
}

int run_tenant_suspend(struct invocation *invocation, int argc, char **argv)
{
    return run_step(invocation, argc, argv, (struct step){tenant_suspend});
}

int run_tenant_restore(struct invocation *invocation, int argc, char **argv)
{
    return run_step(invocation, argc, argv, (struct step){tenant_restore});
}

int run_tenant_delete(struct invocation *invocation, int argc, char **argv)
{
    struct step step = {tenant_delete};
    const char *confirm = NULL;
    const struct command_option options[] = {{"confirm", &confirm, NULL}, {0}};
    int status;

    if (!command_parse(invocation, argc, argv, options, &status))
        return status;
    if (!command_wants_args(invocation, 1, "the slug"))
        return COMMAND_USAGE;
    if (confirm == NULL || strcmp(confirm, invocation->args[0]) != 0)
        return command_usage(invocation, "say it twice, because all its users go: --confirm %.63s",
                             invocation->args[0]);
    return command_work(invocation, take, &step);
}
