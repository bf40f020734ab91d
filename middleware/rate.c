/* Budgets: what a request is charged, and how the answer tells it. */
#include "middleware/rate.h"

#include <string.h>
#include <strings.h>

#include "app/app.h"
#include "app/clock.h"
#include "app/db.h"
#include "app/metrics.h"
#include "app/routes.h"
#include "app/secret.h"
#include "app/watch.h"
#include "models/oauth_client.h"
#include "models/rate_limit.h"
#include "models/tenant.h"

#define MINUTE 60
#define HOUR   3600
#define DAY    86400

#define LEASE_MS   300
#define TROUBLE_MS 5000

/* Who is charged: the class is part of the limiter's key. */
struct subject {
    uint8_t bytes[LIMIT_SUBJECT_MAX];
    size_t size;
};

static struct subject subject_of_address(const struct request *req)
{
    struct subject subject = {.size = 0};

    subject.size = limit_address(req->ctx.ip, subject.bytes);
    return subject;
}

static struct subject subject_of_id(const struct uuid *id)
{
    struct subject subject = {.size = sizeof id->bytes};

    memcpy(subject.bytes, id->bytes, sizeof id->bytes);
    return subject;
}

/* Whatever its length. */
static struct subject subject_of_text(const char *text)
{
    struct subject subject = {.size = sizeof(struct uuid)};
    uint8_t digest[SHA256_SIZE];

    secret_sha256(text, strlen(text), digest);
    memcpy(subject.bytes, digest, subject.size);
    return subject;
}

static const struct config *config_of(const struct request *req)
{
    return app_config(req->ctx.app);
}

/* Per-address budgets are for people; on a developer's machine tests run from one address. */
static struct limit_rule rule_for(const struct request *req, int64_t count, int64_t seconds)
{
    int64_t factor =
        app_is_development(req->ctx.app) ? config_of(req)->limits.development_factor : 1;

    return (struct limit_rule){.count = count * (factor > 0 ? factor : 1), .seconds = seconds};
}

/* Headers tell the budget that will be used up first. */
static void tell(struct request *req, struct response *res, const struct limit_result *result)
{
    struct arena *arena = req->ctx.arena;
    char *limit;
    char *left;
    char *reset;

    if (result->limit <= 0 || result->remaining >= req->rate_left)
        return;
    limit = arena_printf(arena, "%lld", (long long)result->limit);
    left = arena_printf(arena, "%lld", (long long)result->remaining);
    reset = arena_printf(arena, "%lld", (long long)result->reset_seconds);
    if (limit == NULL || left == NULL || reset == NULL)
        return;
    req->rate_left = result->remaining;
    response_header(res, "RateLimit-Limit", limit);
    response_header(res, "RateLimit-Remaining", left);
    response_header(res, "RateLimit-Reset", reset);
}

/* Trouble and no heartbeat since; an instance that has just started has merely not seen one yet. */
static bool store_is_away(const struct app *app)
{
    return app->db == NULL || (app->watch != NULL && !watch_is_fresh(app->watch) &&
                               db_was_troubled(app->db, TROUBLE_MS));
}

/* A chunk from the budget of all instances. A store that is known to be away is not waited for, one
 * that turns out to be slow not for long. */
static bool lease(void *arg, const struct limit_key *key, const struct limit_rule *rule,
                  const struct limit_ask *ask, struct limit_lease *ret_lease)
{
    struct ctx *ctx = arg;
    const int64_t deadline = ctx->deadline;
    const int64_t until = clock_monotonic_ms() + LEASE_MS;

    if (store_is_away(ctx->app))
        return false;
    if (deadline == 0 || deadline > until)
        ctx->deadline = until;

    const enum err leased = rate_limit_lease(ctx, key, rule, ask, ret_lease);

    ctx->deadline = deadline;
    if (leased != ERR_OK)
        fail_clear(ctx);
    return leased == ERR_OK;
}

static void take_shared(struct request *req, enum limit_class class, const struct subject *subject,
                        const struct limit_rule *rule, struct limit_result *ret_result)
{
    const struct limit_key key = {.class = class, .subject = subject->bytes, .size = subject->size};
    const struct limit_source source = {.lease = lease, .arg = &req->ctx};

    limit_take_shared(req->ctx.app->limiter, &key, rule, &source, ret_result);
}

static void refund(struct request *req, enum limit_class class, const struct subject *subject,
                   const struct limit_rule *rule)
{
    const struct limit_key key = {.class = class, .subject = subject->bytes, .size = subject->size};

    limit_refund_shared(req->ctx.app->limiter, &key, rule);
}

static enum err take(struct request *req, struct response *res, enum limit_class class,
                     const struct subject *subject, const struct limit_rule *rule)
{
    struct limit_result result;

    take_shared(req, class, subject, rule, &result);
    if (result.allowed) {
        req->limits_taken |= 1u << class;
        tell(req, res, &result);
        return ERR_OK;
    }
    metric_add(req->ctx.app->metrics, METRIC_RATE_LIMITED, 1);
    req->rate_left = INT64_MAX;
    tell(req, res, &result);
    return fail_retry(&req->ctx, ERR_RATE_LIMITED, result.retry_after);
}

static struct limit_rule address_rule(const struct request *req)
{
    return rule_for(req, config_of(req)->limits.requests_per_minute, MINUTE);
}

static struct limit_rule platform_rule(const struct request *req)
{
    return rule_for(req, config_of(req)->limits.tenants_per_hour, HOUR);
}

static struct limit_rule create_rule(const struct request *req)
{
    return rule_for(req, config_of(req)->limits.tenants_per_day, DAY);
}

static const struct subject platform = {.size = 0};

enum err rate_take_sign_in(struct request *req, struct response *res)
{
    const struct subject address = subject_of_address(req);
    const struct limit_rule rule =
        rule_for(req, config_of(req)->limits.sign_ins_per_minute, MINUTE);

    return take(req, res, LIMIT_SIGN_IN, &address, &rule);
}

enum err rate_take_address(struct request *req, struct response *res)
{
    const struct config_limits *limits = &config_of(req)->limits;
    struct subject address = subject_of_address(req);
    struct limit_rule rule = address_rule(req);

    TRY(take(req, res, LIMIT_ADDRESS, &address, &rule));
    switch (req->route->rate) {
    case RATE_LOGIN:
        return rate_take_sign_in(req, res);
    case RATE_REGISTER:
        rule = rule_for(req, limits->registrations_per_hour, HOUR);
        return take(req, res, LIMIT_REGISTER, &address, &rule);
    case RATE_TENANT_CREATE:
        rule = create_rule(req);
        TRY(take(req, res, LIMIT_TENANT_CREATE, &address, &rule));
        rule = platform_rule(req);
        return take(req, res, LIMIT_PLATFORM_CREATE, &platform, &rule);
    case RATE_UNSET:
    case RATE_NONE:
    case RATE_READ:
    case RATE_WRITE:
        break;
    }
    return ERR_OK;
}

/* --- access keys --- */

bool rate_shows_key(const struct request *req)
{
    const char *header = request_header(req, "Authorization");

    if (req->route == NULL)
        return false;
    if ((req->route->auth & AUTH_PLATFORM) != 0)
        return header != NULL && strncasecmp(header, "Bearer pk_", 10) == 0;
    if ((req->route->auth & AUTH_KEY) == 0)
        return false;
    if (request_header(req, "X-Access-Key") != NULL)
        return true;
    return header != NULL && strncasecmp(header, "Bearer ak_", 10) == 0;
}

/* Apart from the address's own budget: the same bytes with a mark behind them. */
static struct subject subject_of_shown_key(const struct request *req)
{
    struct subject subject = subject_of_address(req);

    subject.bytes[subject.size++] = 'k';
    return subject;
}

enum err rate_take_shown_key(struct request *req, struct response *res)
{
    struct subject subject = subject_of_shown_key(req);
    struct limit_rule rule = address_rule(req);
    struct limit_result result;

    take_shared(req, LIMIT_ADDRESS, &subject, &rule, &result);
    if (result.allowed)
        return ERR_OK;
    metric_add(req->ctx.app->metrics, METRIC_RATE_LIMITED, 1);
    tell(req, res, &result);
    return fail_retry(&req->ctx, ERR_RATE_LIMITED, result.retry_after);
}

void rate_refund_shown_key(struct request *req)
{
    struct subject subject = subject_of_shown_key(req);
    struct limit_rule rule = address_rule(req);

    refund(req, LIMIT_ADDRESS, &subject, &rule);
}

/* --- plans --- */

static struct limit_rule plan_rule(const struct request *req)
{
    const struct config_plan plan = tenant_plan(req->ctx.app, req->ctx.tenant);

    return (struct limit_rule){.count = plan.requests_per_minute, .seconds = MINUTE};
}

enum err rate_take_tenant(struct request *req, struct response *res)
{
    if (req->ctx.tenant == NULL || (req->limits_taken & (1u << LIMIT_TENANT)) != 0)
        return ERR_OK;

    struct limit_rule rule = plan_rule(req);
    struct subject subject = subject_of_id(&req->ctx.tenant_id);
    return take(req, res, LIMIT_TENANT, &subject, &rule);
}

enum err rate_take_key(struct request *req, struct response *res)
{
    if (req->ctx.tenant == NULL)
        return ERR_OK;

    struct limit_rule rule = plan_rule(req);
    struct subject subject = subject_of_id(&req->ctx.who.key_id);
    return take(req, res, LIMIT_KEY, &subject, &rule);
}

/* A share of what the tenant has, so that one client cannot use up what the others need. */
static struct limit_rule client_rule(const struct request *req)
{
    struct limit_rule rule = plan_rule(req);

    if (rule.count == 0)
        return rule;
    rule.count = rule.count * config_of(req)->limits.client_percent / 100;
    if (rule.count == 0)
        rule.count = 1;
    return rule;
}

/* Where host or path named the tenant it was charged before the client was known: what the client
 * is refused is not the tenant's. */
enum err rate_take_client(struct request *req, struct response *res)
{
    const struct limit_rule rule = client_rule(req);
    const struct subject subject = subject_of_text(req->client->id);
    const enum err taken = take(req, res, LIMIT_CLIENT, &subject, &rule);

    if (taken == ERR_RATE_LIMITED && (req->limits_taken & (1u << LIMIT_TENANT)) != 0) {
        const struct subject tenant = subject_of_id(&req->ctx.tenant_id);
        const struct limit_rule whole = plan_rule(req);

        refund(req, LIMIT_TENANT, &tenant, &whole);
    }
    TRY(taken);
    return rate_take_tenant(req, res);
}

/* --- afterwards --- */

void rate_settle_create(struct request *req, const struct response *res)
{
    if (res->status < 400 && !req->replayed)
        return;
    if ((req->limits_taken & (1u << LIMIT_TENANT_CREATE)) != 0) {
        struct subject address = subject_of_address(req);
        struct limit_rule rule = create_rule(req);
        refund(req, LIMIT_TENANT_CREATE, &address, &rule);
    }
    if ((req->limits_taken & (1u << LIMIT_PLATFORM_CREATE)) != 0) {
        struct limit_rule rule = platform_rule(req);
        refund(req, LIMIT_PLATFORM_CREATE, &platform, &rule);
    }
}
