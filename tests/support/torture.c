/* One service, its tenant, and requests with everything filled in. */
#include "support/torture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "app/app_start.h"
#include "app/clock.h"
#include "app/db.h"
#include "app/dispatch.h"
#include "app/lease.h"
#include "app/limit.h"
#include "app/log.h"
#include "app/password.h"
#include "app/revocation.h"
#include "app/router.h"
#include "app/secret.h"
#include "app/stream.h"
#include "app/watch.h"
#include "app/watch_event.h"
#include "models/access_key.h"
#include "models/consent.h"
#include "models/grant_code.h"
#include "models/grant_memory.h"
#include "models/oauth_client_admin.h"
#include "models/platform_key.h"
#include "models/session.h"
#include "models/tenant.h"
#include "models/tenant_life.h"
#include "models/tenant_usage.h"
#include "models/user.h"
#include "support/config_file.h"
#include "support/database.h"

#define PASSWORD    "battery staple 2"
#define TEXT_MAX    8192
#define REVOCATIONS 10000
#define BEAT_MS     200
#define BEATS       500
#define LEASE_MS    60000
#define ARENA_SIZE  ((size_t)8 * 1024 * 1024)

static struct app *app;
static struct arena world, preparing, asking, scratch;
static struct tenant tenant, victim;
static const char *platform_key;
static const char *password_hash_text;
static struct request req;
static struct response res;
static int number;
static char body[TEXT_MAX], path[TEXT_MAX], query[TEXT_MAX], cookies[TEXT_MAX], bearer[TEXT_MAX];

/* What belongs to one try. */
static struct {
    struct user user, other;
    struct token_pair pair;
    struct session session;
    const char *session_cookie;
    struct made_key key;
    struct made_platform_key platform;
    struct made_client client;
    struct token_pair client_pair;
    char email[64], name[32], other_name[32], nonce[256];
    struct torture_form page;
    const char *code;
} own;
static size_t body_size;

static void must(enum err err, const struct ctx *ctx, const char *what)
{
    if (err == ERR_OK)
        return;
    fprintf(stderr, "%s: %s: %s\n", what, error_info(err)->code,
            ctx->failure.internal != NULL ? ctx->failure.internal : "");
    abort();
}

struct app *torture_app(void)
{
    return app;
}

/* --- life --- */

static void make_world(void)
{
    struct created_tenant created = {0};
    struct made_platform_key made;
    struct ctx ctx;

    ctx_init(&ctx, app, &world);
    must(platform_key_create(&ctx, "torture", 0, &made), &ctx, "platform key");
    platform_key = made.text;
    must(tenant_create(&ctx,
                       &(struct new_tenant){.slug = "victim", .name = "V", .plan = PLAN_ENTERPRISE},
                       &created),
         &ctx, "victim");
    victim = created.tenant;
    must(password_hash(&ctx, PASSWORD, &password_hash_text), &ctx, "hash");
    must(tenant_create(&ctx,
                       &(struct new_tenant){.slug = "torture",
                                            .name = "Torture",
                                            .plan = PLAN_ENTERPRISE,
                                            .owner_username = "owner",
                                            .owner_email = "owner@torture.example",
                                            .owner_password_hash = password_hash_text,
                                            .with_key = true},
                       &created),
         &ctx, "tenant");
    tenant = created.tenant;
    torture_publish_schema(&ctx, &tenant);
    ctx_clear(&ctx);
}

/* The watcher is fresh after an event; without that each credential is looked up in the database,
 * which takes a tenth of a second. */
void torture_beat(void)
{
    static int64_t beaten;
    const struct timespec pause = {.tv_nsec = 2000000};
    struct ctx ctx;

    for (int i = 0; i < BEATS; i++) {
        const int64_t now = clock_monotonic_ms();
        int64_t fence = 0;

        if (watch_is_fresh(app->watch) && now - beaten < BEAT_MS)
            return;
        if (now - beaten >= BEAT_MS) {
            arena_reset(&scratch);
            ctx_init(&ctx, app, &scratch);
            must(lease_take(&ctx, "torture", &app->instance_id, LEASE_MS, &fence), &ctx, "lease");
            ctx_clear(&ctx);
            beaten = now;
        }
        (void)nanosleep(&pause, NULL);
    }
}

static void start_watch(void)
{
    database_watch(app);
    torture_beat();
}

bool torture_begin(void)
{
    const char *uri = getenv("TEST_MONGODB_URI");
    char text[2048], *message = NULL;

    if (uri == NULL || uri[0] == '\0')
        return false;
    if (!secret_init() || config_file_setup(NULL) != 0)
        abort();
    snprintf(text, sizeof text,
             DEV "server: {request_timeout_ms: 60000}\n"
                 "database: {uri: \"%s\", name: torture_%ld, migrate_on_start: true,\n"
                 "           call_timeout_ms: 15000}\n"
                 "password: {scheme: argon2id}\n"
                 "tenants: {self_service_plans: [free, enterprise]}\n",
             uri, (long)getpid());
    router_init();
    if (app_new(load(text), false, &app, &message) != ERR_OK ||
        app_check_structure(app, &message) != ERR_OK ||
        grant_memory_start(app, &app->grant_memory) != ERR_OK) {
        fprintf(stderr, "%s\n", message != NULL ? message : "the service does not start");
        abort();
    }
    log_set_level((enum log_level)(LOG_ERROR + 1));
    atomic_store(&app->ready, true);
    limiter_free(app->limiter); /* thousands of requests come from one address */
    app->limiter = NULL;
    arena_init(&world, ARENA_SIZE);
    arena_init(&preparing, ARENA_SIZE);
    arena_init(&asking, ARENA_SIZE);
    arena_init(&scratch, ARENA_SIZE);
    make_world();
    start_watch();
    return true;
}

void torture_end(void)
{
    bson_t *drop = BCON_NEW("dropDatabase", BCON_INT32(1));

    bson_destroy(database_command(NULL, db_name(app->db), drop));
    bson_destroy(drop);
    ctx_clear(&req.ctx);
    app_free(app);
    arena_clear(&scratch);
    arena_clear(&asking);
    arena_clear(&preparing);
    arena_clear(&world);
    (void)config_file_teardown(NULL);
}

/* --- filling in --- */

static const char *value_of(const char *name, size_t length, char text[64])
{
    const struct {
        const char *name;
        const char *text;
        const struct uuid *id;
    } values[] = {
        {"cid", NULL, &tenant.id},
        {"client_id", NULL, &tenant.id},
        {"slug", tenant.slug, NULL},
        {"email", own.email, NULL},
        {"name", own.name, NULL},
        {"password", PASSWORD, NULL},
        {"refresh", own.pair.refresh_token, NULL},
        {"key", NULL, &own.key.key.id},
        {"session", NULL, &own.session.id},
        {"user", NULL, &own.other.id},
        {"username", own.other_name, NULL},
        {"tenant", NULL, &victim.id},
        {"pk", NULL, &own.platform.key.id},
        {"version", own.page.version, NULL},
        {"once", own.page.once, NULL},
        {"oc", own.client.client.id, NULL},
        {"os", own.client.secret, NULL},
        {"code", own.code, NULL},
        {"cat", own.client_pair.access_token, NULL},
        {"grant", NULL, &own.pair.grant_id},
        {"form", own.page.token, NULL},
        {"file", "style.css", NULL},
    };

    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        if (strlen(values[i].name) != length || strncmp(values[i].name, name, length) != 0)
            continue;
        if (values[i].id != NULL)
            uuid_text(values[i].id, text);
        return values[i].id != NULL ? text : values[i].text;
    }
    if (length != 3 || strncmp(name, "new", 3) != 0)
        return NULL;
    snprintf(text, 64, "%d", ++number);
    return text;
}

static void fill(const char *from, char ret_text[TEXT_MAX])
{
    size_t used = 0;

    while (from != NULL && *from != '\0' && used < TEXT_MAX - 1) {
        char text[64];
        const char *end = *from == '{' ? strchr(from, '}') : NULL;
        const char *value = end != NULL ? value_of(from + 1, (size_t)(end - from - 1), text) : NULL;

        if (value == NULL) {
            ret_text[used++] = *from++;
            continue;
        }
        used += (size_t)snprintf(ret_text + used, TEXT_MAX - used, "%s", value);
        from = end + 1;
    }
    ret_text[used] = '\0';
}

/* --- a try's own things --- */

static void begin_ctx(struct ctx *ctx, struct arena *arena)
{
    ctx_init(ctx, app, arena);
    ctx->ip = "192.0.2.1";
    ctx_set_tenant(ctx, &tenant, &tenant.id);
}

static struct user new_user(const char *name, const char *email, enum role role)
{
    return (struct user){.username = name,
                         .email = email,
                         .password_hash = password_hash_text,
                         .role = (int)role,
                         .is_active = true};
}

static enum err insert_own(struct ctx *ctx, void *arg)
{
    const struct session_origin origin = {0};
    struct session session;
    const char *cookie;
    (void)arg;
    own.user = new_user(own.name, own.email, ROLE_OWNER);
    own.other = new_user(own.other_name, NULL, ROLE_USER);
    TRY(tenant_usage_change(ctx, &(struct usage_change){.users = 2, .owners = 1}));
    TRY(user_insert(ctx, &own.user));
    TRY(user_insert(ctx, &own.other));
    TRY(grant_open(ctx, &own.user, NULL, false, &own.pair));
    TRY(session_open(ctx, &own.user, &origin, &own.session_cookie, &own.session));
    TRY(session_open(ctx, &own.other, &origin, &cookie, &session));
    TRY(access_key_make(ctx, &tenant.id,
                        &(struct new_access_key){.label = "own", .scopes = ACCESS_KEY_ALL_SCOPES},
                        &own.key));
    return access_key_insert(ctx, &own.key.key);
}

/* An OAuth client, a token that it has for the owner, and the owner's consent. */
static void make_client(struct ctx *ctx)
{
    static const char *grants[] = {GRANT_TYPE_PASSWORD, GRANT_TYPE_CODE};
    const char *uri = "https://app.example/cb";
    const struct client_metadata made = {"own", {&uri, 1}, .grant_types = {grants, 2}};
    const struct registrar owner = {.user_id = own.user.id, .role = ROLE_OWNER};
    must(oauth_client_create(ctx, &made, &owner, &own.client), ctx, "client");
    const struct client_grant terms = {&own.client.client, &own.user, "read", .with_refresh = true};
    must(grant_open_for_client(ctx, &terms, "login", &own.client_pair), ctx, "client's token");
    const struct consent_terms kept = {&own.user.id, &own.client.client, .scope = "read"};
    must(consent_give(ctx, &kept), ctx, "consent");
    const struct code_terms code = {&own.client.client, &own.user, .scope = "read",
                                    .redirect_uri = uri};
    must(grant_code_issue(ctx, &code, &own.code), ctx, "code");
}

static void make_own(struct ctx *ctx, const struct torture_request *request)
{
    struct tenant changed;

    number++;
    snprintf(own.email, sizeof own.email, "t%d@torture.example", number);
    snprintf(own.name, sizeof own.name, "t%d", number);
    snprintf(own.other_name, sizeof own.other_name, "o%d", number);
    must(db_transaction(ctx, insert_own, NULL), ctx, "users");
    if (strstr(request->path, "{pk}") != NULL)
        must(platform_key_create(ctx, "own", 0, &own.platform), ctx, "platform key");
    if (strstr(request->path, "/oauth/") != NULL || strstr(request->path, "/consents/") != NULL ||
        strstr(request->path, "{oc}") != NULL)
        make_client(ctx);
    if (request->suspended)
        must(tenant_suspend(ctx, &victim.id, &changed), ctx, "suspended");
}

/* Token, version and id in the form of a page whose action ends with that path, and the nonce. */
static void take_form(const struct torture_request *request)
{
    const struct torture_request page = {.method = "GET",
                                         .path = request->form,
                                         .query = request->form_query,
                                         .credential = request->credential,
                                         .no_tenant = request->no_tenant};

    if (torture_send(&page) != 200)
        abort();
    fill(request->path, path);
    if (!torture_form_read(buf_text(&res.body), path, &own.page)) {
        fprintf(stderr, "no form %s in %s:\n%s\n", path, request->form, buf_text(&res.body));
        abort();
    }
    for (size_t i = 0; i < res.header_count; i++) {
        if (strcasecmp(res.headers[i].name, "Set-Cookie") == 0)
            (void)sscanf(res.headers[i].value, "%255[^;]", own.nonce);
    }
}

void torture_prepare(const struct torture_request *request)
{
    struct ctx ctx;

    arena_reset(&preparing);
    memset(&own, 0, sizeof own);
    begin_ctx(&ctx, &preparing);
    make_own(&ctx, request);
    ctx_clear(&ctx);
    if (request->form != NULL)
        take_form(request);
}

/* --- sending --- */

static enum err give_body(struct request *request, size_t cap, void *arg)
{
    (void)cap;
    (void)arg;
    request->body = body;
    request->body_size = strlen(body);
    return ERR_OK;
}

static void add_header(const char *name, const char *value)
{
    req.headers[req.header_count++] = (struct http_header){.name = name, .value = value};
}

static void add_headers(const struct torture_request *request)
{
    cookies[0] = '\0';
    if (!request->no_tenant)
        add_header("X-Tenant-Slug", tenant.slug);
    if (body[0] != '\0')
        add_header("Content-Type",
                   request->content_type != NULL ? request->content_type : "application/json");
    if (request->credential == CRED_BEARER)
        snprintf(bearer, sizeof bearer, "Bearer %s", own.pair.access_token);
    if (request->credential == CRED_KEY)
        snprintf(bearer, sizeof bearer, "Bearer %s", own.key.text);
    if (request->credential == CRED_PLATFORM)
        snprintf(bearer, sizeof bearer, "Bearer %s", platform_key);
    if (request->repeat != NULL)
        add_header("Idempotency-Key", request->repeat);
    if (request->credential != CRED_NONE && request->credential != CRED_SESSION)
        add_header("Authorization", bearer);
    if (request->credential == CRED_SESSION)
        snprintf(cookies, sizeof cookies, "session-%s=%s", tenant.slug, own.session_cookie);
    if (own.nonce[0] != '\0')
        snprintf(cookies + strlen(cookies), sizeof cookies - strlen(cookies), "%s%s",
                 cookies[0] != '\0' ? "; " : "", own.nonce);
    if (cookies[0] != '\0')
        add_header("Cookie", cookies);
}

/* As the server writes a long answer: the status, 0 when it was cut. */
static int read_stream(void)
{
    int status = res.status;

    body_size = buf_text(&res.body) != NULL ? res.body.size : 0;
    while (res.stream.more != NULL && !res.stream.done) {
        struct buf part;

        arena_reset(&scratch);
        buf_init(&part, &scratch, STREAM_PART_MAX);
        if (stream_next(&req, &res, &scratch, &part) != ERR_OK || !buf_ok(&part)) {
            status = 0;
            break;
        }
        body_size += part.size;
    }
    stream_end(&req, &res);
    return status;
}

int torture_send(const struct torture_request *request)
{
    const struct dispatch_input input = {
        .raw_path = path, .method = request->method, .read_body = give_body};

    ctx_clear(&req.ctx);
    arena_reset(&asking);
    memset(&req, 0, sizeof req);
    memset(&res, 0, sizeof res);
    ctx_init(&req.ctx, app, &asking);
    req.ctx.ip = req.peer = "192.0.2.1";
    req.host = "localhost";
    req.authority = strstr(app_config(app)->server.public_url, "://") + 3;
    req.internal = strcmp(request->path, "/metrics") == 0;
    fill(request->path, path);
    fill(request->body, body);
    fill(request->query, query);
    req.query = query[0] != '\0' ? query : NULL;
    add_headers(request);
    dispatch(&req, &res, &input);
    return read_stream();
}

size_t torture_body_size(void)
{
    return body_size;
}

void torture_forget_revocations(void)
{
    watch_stop(app->watch);
    app->watch = NULL;
    revocations_free(app->revocations);
    app->revocations = revocations_new(REVOCATIONS);
    if (app->revocations == NULL)
        abort();
    start_watch();
}

void torture_flush(void)
{
    ctx_clear(&req.ctx);
    watch_flush(app);
}

const char *torture_reason(void)
{
    return req.ctx.failure.internal != NULL ? req.ctx.failure.internal : "";
}

const struct response *torture_response(void)
{
    return &res;
}
