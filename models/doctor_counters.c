/* The counters that plans limit beside what is there, both in one snapshot. */
#include "models/doctor_internal.h"

#include <inttypes.h>

#include "app/db.h"
#include "models/access_key_admin.h"
#include "models/oauth_client_admin.h"
#include "models/tenant.h"
#include "models/tenant_usage.h"

struct comparison {
    struct tenant_usage counted, there;
    bool is_missing; /* nothing is counted */
    bool is_settled; /* no sign-up is under way that may hold a place */
};

static enum err read_both(struct ctx *ctx, void *arg)
{
    struct comparison *comparison = arg;

    TRY(tenant_usage_get(ctx, &comparison->counted));
    TRY(tenant_usage_count(ctx, &comparison->there));
    TRY(access_key_count(ctx, &comparison->there.access_keys));
    TRY(oauth_client_count(ctx, &comparison->there.clients));
    return tenant_usage_is_settled(ctx, &comparison->is_settled);
}

static enum err compare(struct ctx *ctx, struct comparison *ret_comparison)
{
    const enum err read = db_transaction(ctx, read_both, ret_comparison);

    ret_comparison->is_missing = read == ERR_NOT_FOUND;
    if (read != ERR_NOT_FOUND)
        return read;
    fail_clear(ctx);
    return ERR_OK;
}

static void put_difference(struct buf *out, const char *name, int64_t counted, int64_t there)
{
    if (counted != there)
        buf_printf(out, "%s%s %" PRId64 ", not %" PRId64, out->size > 0 ? "; " : "", name, counted,
                   there);
}

/* What differs in words; empty when nothing does. A document of a version that did not count owners
 * is not wrong: the next change of an owner begins it. */
static void describe(const struct comparison *comparison, struct buf *out)
{
    const struct tenant_usage *counted = &comparison->counted, *there = &comparison->there;

    if (comparison->is_missing) {
        buf_puts(out, "nothing is counted");
        return;
    }
    if (comparison->is_settled)
        put_difference(out, "users", counted->users, there->users);
    put_difference(out, "inactive users", counted->inactive_users, there->inactive_users);
    if (counted->has_owners)
        put_difference(out, "owners", counted->owners, there->owners);
    put_difference(out, "access keys", counted->access_keys, there->access_keys);
    put_difference(out, "OAuth clients", counted->clients, there->clients);
}

static enum err mend(struct ctx *ctx, bool is_missing)
{
    const struct tenant_usage none = {.tenant_id = ctx->tenant_id};

    if (is_missing) {
        const enum err inserted = db_insert(ctx, &tenant_usage_schema, &none);

        if (inserted != ERR_OK && inserted != ERR_CONFLICT)
            return inserted;
        fail_clear(ctx);
    }
    TRY(tenant_recount_users(ctx));
    TRY(access_key_recount(ctx));
    return oauth_client_recount(ctx);
}

enum err doctor_check_counters(struct ctx *ctx, struct round *round)
{
    struct finding finding = {.check = "counters",
                              .tenant = ctx->tenant->slug,
                              .remedy = "tenantd doctor --fix counts again; while somebody signs "
                                        "up it waits a minute for that: run it once more then"};
    struct comparison comparison = {.is_settled = false};
    struct buf differs, still;

    buf_init(&differs, ctx->arena, 1024);
    buf_init(&still, ctx->arena, 1024);
    TRY(compare(ctx, &comparison));
    describe(&comparison, &differs);
    if (differs.size == 0)
        return ERR_OK;
    if (round->doctor->fix) {
        TRY(mend(ctx, comparison.is_missing));
        TRY(compare(ctx, &comparison));
        describe(&comparison, &still);
        finding.mended = still.size == 0;
    }
    finding.problem = arena_printf(
        ctx->arena, "What counts against its plan is not what is there: %s.", buf_text(&differs));
    if (finding.problem == NULL)
        return ERR_MEMORY;
    doctor_found(round, &finding);
    return ERR_OK;
}
