/*
 * One attempt: make the message, send it without anything held, and settle the row. What fails
 * waits twice as long each time, give or take a quarter so that many do not come back at once.
 */
#include "models/outbox_delivery.h"

#include <stdio.h>
#include <string.h>

#include "app/app.h"
#include "app/clock.h"
#include "app/fetch.h"
#include "app/form.h"
#include "app/log.h"
#include "app/metrics.h"
#include "app/secret.h"
#include "models/logout_token.h"
#include "models/tenant.h"

#define DATABASE_MS 2000 /* budget of each look at the database */
#define BODY_MAX    ((size_t)16 * 1024)
#define HOUR_MS     INT64_C(3600000)
#define NOW_MS      0 /* what was not sent because this process ends is due at once */

/* --- kinds --- */

static enum err find_client(struct ctx *ctx, const struct outbox_row *row,
                            const struct oauth_client **ret_client)
{
    TRY(oauth_client_get(ctx, row->target, ret_client));
    return uuid_equal(&(*ret_client)->tenant_id, &ctx->tenant_id) &&
                   (*ret_client)->backchannel_logout_uri != NULL
               ? ERR_OK
               : ERR_NOT_FOUND;
}

static enum err prepare_logout(struct ctx *ctx, const struct outbox_row *row,
                               struct fetch *ret_fetch)
{
    const struct oauth_client *client = NULL;
    const char *token = NULL;
    struct buf body;

    TRY(find_client(ctx, row, &client));
    TRY(logout_token_sign(ctx, row, client, &token));
    buf_init(&body, ctx->arena, BODY_MAX);
    form_put(&body, "logout_token", token);
    if (!buf_ok(&body))
        return fail_internal(ctx, ERR_MEMORY, "no memory for a logout message");
    *ret_fetch = (struct fetch){
        .url = client->backchannel_logout_uri,
        .content_type = "application/x-www-form-urlencoded",
        .body = {.data = (const uint8_t *)buf_text(&body), .size = body.size},
    };
    return ERR_OK;
}

/* What each kind of row is: how it is made, read at each attempt, and its audit action. prepare:
 * ERR_NOT_FOUND when there is nobody to tell any more. */
static const struct kind {
    const char *action;
    enum err (*prepare)(struct ctx *ctx, const struct outbox_row *row, struct fetch *ret_fetch);
} kinds[] = {
    [OUTBOX_LOGOUT] = {"logout.delivery", prepare_logout},
};

/* --- settling --- */

static int64_t wait_of(const struct config_outbox *config, int64_t attempts)
{
    int64_t wait = config->retry_first_ms;
    uint16_t random;

    for (int64_t i = 1; i < attempts && wait < config->retry_max_ms; i++)
        wait *= 2;
    if (wait > config->retry_max_ms)
        wait = config->retry_max_ms;
    secret_random(&random, sizeof random);
    return wait * 3 / 4 + wait * random / (2 * UINT16_MAX);
}

static void tell(struct ctx *ctx, const struct outbox_row *row, enum metric what, const char *why)
{
    const bool delivered = what == METRIC_OUTBOX_DELIVERED;
    char attempts[24];

    (void)snprintf(attempts, sizeof attempts, "%lld", (long long)row->attempts);
    metric_add(ctx->app->metrics, what, 1);
    log_event(delivered ? LOG_INFO : LOG_WARN, "outbox.attempt", "outcome",
              delivered                      ? "delivered"
              : what == METRIC_OUTBOX_FAILED ? "failed"
                                             : "given up",
              "tenant", ctx->tenant != NULL ? ctx->tenant->slug : NULL, "target", row->target,
              "attempt", attempts, "answer", why, NULL);
}

static enum err finish(struct ctx *ctx, const struct outbox_row *row, const char *status,
                       const char *reason)
{
    ctx->deadline = clock_monotonic_ms() + DATABASE_MS;
    ctx->who.client_id = row->target; /* whom the audit row names */
    /* A suspended tenant has no log to write to. */
    return outbox_finish(
        ctx, &(struct outbox_end){.row = row,
                                  .action = ctx->tenant != NULL ? kinds[row->kind].action : NULL,
                                  .status = status,
                                  .reason = reason});
}

static enum err try_again(struct ctx *ctx, const struct outbox_row *row, const char *why,
                          int64_t *ret_wait_ms)
{
    const struct config_outbox *config = &app_config(ctx->app)->outbox;
    const int64_t wait = wait_of(config, row->attempts);
    const int64_t end = row->created_at + config->give_up_hours * HOUR_MS;

    if (clock_now_ms() + wait > end) {
        tell(ctx, row, METRIC_OUTBOX_GIVEN_UP, why);
        return finish(ctx, row, "failed", "given_up");
    }
    tell(ctx, row, METRIC_OUTBOX_FAILED, why);
    ctx->deadline = clock_monotonic_ms() + DATABASE_MS;
    *ret_wait_ms = wait;
    return outbox_postpone(ctx, row, wait, why);
}

static enum err settle(struct ctx *ctx, const struct outbox_row *row,
                       const struct fetch_answer *answer, int64_t *ret_wait_ms)
{
    const char *line = answer->outcome == FETCH_ANSWERED
                           ? arena_printf(ctx->arena, "%d %s", answer->status, answer->line)
                           : answer->line;

    if (line == NULL)
        return ERR_MEMORY;
    if (answer->outcome == FETCH_ANSWERED && answer->status / 100 == 2) {
        tell(ctx, row, METRIC_OUTBOX_DELIVERED, line);
        return finish(ctx, row, "success", NULL);
    }
    if (answer->outcome == FETCH_REFUSED) {
        tell(ctx, row, METRIC_OUTBOX_GIVEN_UP, line);
        return finish(ctx, row, "failed", "address_refused");
    }
    if (answer->outcome == FETCH_STOPPED) {
        ctx->deadline = clock_monotonic_ms() + DATABASE_MS;
        return outbox_postpone(ctx, row, NOW_MS, "the process that sent it ended");
    }
    return try_again(ctx, row, line, ret_wait_ms);
}

/* --- one attempt --- */

static enum err send_row(struct ctx *ctx, const struct outbox_row *row, int64_t *ret_wait_ms)
{
    struct fetch fetch = {.url = NULL};
    struct fetch_answer answer;
    const enum err ready = kinds[row->kind].prepare(ctx, row, &fetch);

    if (ready == ERR_NOT_FOUND)
        return outbox_finish(ctx, &(struct outbox_end){.row = row});
    if (ready != ERR_OK)
        return try_again(ctx, row, "the message could not be made", ret_wait_ms);
    TRY(fetch_run(ctx, &fetch, &answer));
    return settle(ctx, row, &answer, ret_wait_ms);
}

enum err outbox_deliver(struct ctx *ctx, const struct outbox_row *row, int64_t *ret_wait_ms)
{
    const struct tenant *tenant = NULL;
    enum err found, sent;

    *ret_wait_ms = 0;
    ctx->deadline = clock_monotonic_ms() + DATABASE_MS;
    found = tenant_get_by_id(ctx, &row->tenant_id, &tenant);
    if (found == ERR_TENANT_NOT_FOUND || found == ERR_NOT_FOUND)
        return try_again(ctx, row, "the tenant is suspended", ret_wait_ms);
    TRY(found);
    ctx_set_tenant(ctx, tenant, &tenant->id);
    sent = send_row(ctx, row, ret_wait_ms);
    ctx_set_tenant(ctx, NULL, NULL);
    return sent;
}
