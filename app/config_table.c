/* What config.yaml may say: names, types, ranges, defaults. */
#include "app/config_table.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "app/text.h"

#define MINUTE INT64_C(60)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)
#define MANY   INT64_C(1000000000)

const char *const plan_names[] = {NULL, "free", "basic", "premium", "enterprise", NULL};
static const char *const environment_names[] = {NULL, "development", "production", NULL};
static const char *const registration_names[] = {NULL, "open", "verified", "closed", NULL};
static const char *const issuer_form_names[] = {NULL, "path", "subdomain", NULL};
static const char *const password_scheme_names[] = {NULL, "bcrypt", "argon2id", NULL};
static const char *const log_level_names[] = {"debug", "info", "warn", "error", NULL};

/* --- checks of single values --- */

static const char *check_address(const char *text)
{
    struct in6_addr address;

    if (inet_pton(AF_INET, text, &address) == 1 || inet_pton(AF_INET6, text, &address) == 1)
        return NULL;
    return "must be an IP address, like 127.0.0.1, 0.0.0.0 or ::";
}

static const char *check_network(const char *text)
{
    static const char allowed[] = "must be an IP address or a network like 10.0.0.0/8";
    char address[64];
    struct in6_addr bytes;
    const char *slash = strchr(text, '/');
    size_t length = slash != NULL ? (size_t)(slash - text) : strlen(text);

    if (length >= sizeof address)
        return allowed;
    memcpy(address, text, length);
    address[length] = '\0';
    bool v4 = inet_pton(AF_INET, address, &bytes) == 1;
    if (!v4 && inet_pton(AF_INET6, address, &bytes) != 1)
        return allowed;
    if (slash == NULL)
        return NULL;
    size_t digits = strspn(slash + 1, "0123456789");
    if (digits == 0 || digits > 3 || slash[1 + digits] != '\0')
        return allowed;
    return strtoul(slash + 1, NULL, 10) <= (v4 ? 32 : 128) ? NULL : allowed;
}

static const char *check_origin(const char *text)
{
    static const char allowed[] = "must be scheme, host and perhaps port, like "
                                  "https://login.example.com, without a path";
    const char *host = strncmp(text, "https://", 8) == 0  ? text + 8
                       : strncmp(text, "http://", 7) == 0 ? text + 7
                                                          : NULL;

    if (host == NULL || host[0] == '\0')
        return allowed;
    size_t length = strspn(host, "abcdefghijklmnopqrstuvwxyz0123456789.-:[]");
    return host[length] == '\0' ? NULL : allowed;
}

static const char *check_url(const char *text)
{
    if (strncmp(text, "https://", 8) != 0 && strncmp(text, "http://", 7) != 0)
        return "must be a URL that begins with https:// or http://";
    return strpbrk(text, " \t\r\n\"<>\\") == NULL ? NULL : "must be a URL without blanks or quotes";
}

static const char *check_database_uri(const char *text)
{
    if (strncmp(text, "mongodb://", 10) == 0 || strncmp(text, "mongodb+srv://", 14) == 0)
        return NULL;
    return "must begin with mongodb:// or mongodb+srv://";
}

static const char *check_database_name(const char *text)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";

    if (text[strspn(text, letters)] != '\0')
        return "may hold letters, digits, \"_\" and \"-\"";
    if (strcmp(text, "admin") == 0 || strcmp(text, "local") == 0 || strcmp(text, "config") == 0)
        return "must not be admin, local or config: those belong to MongoDB";
    return NULL;
}

static const char *check_base_domain(const char *text)
{
    if (strcmp(text, "localhost") == 0)
        return NULL;
    return text_check_domain(text);
}

static const char *check_plan(const char *text)
{
    for (int i = PLAN_FREE; i < PLAN_COUNT; i++) {
        if (strcmp(text, plan_names[i]) == 0)
            return NULL;
    }
    return "must be free, basic, premium or enterprise";
}

/* --- the tables --- */

/* clang-format off */
static const struct field server_fields[] = {
    FIELD_STR(struct config_server, bind, "bind", F_NONE, 2, 45, .check = check_address,
              .doc = "Address to listen on."),
    FIELD_INT(struct config_server, port, "port", F_NONE, 0, 65535, .doc = "Port of API and pages; 0 takes any free one."),
    FIELD_INT(struct config_server, extra_port, "extra_port", F_NONE, 0, 65535, .doc = "A second port with the same service; 0 = none."),
    FIELD_INT(struct config_server, metrics_port, "metrics_port", F_NONE, 0, 65535, .doc = "Loopback port of /metrics; 0 = none."),
    FIELD_INT(struct config_server, threads, "threads", F_NONE, 4, 4096, .doc = "Connection threads: connections served at once."),
    FIELD_INT(struct config_server, connections_per_address, "connections_per_address", F_NONE, 0, 4096, .doc = "Most connections of one address, trusted proxies excepted; 0 = in production a quarter of the threads, in development all."),
    FIELD_INT(struct config_server, keep_alive_ms, "keep_alive_ms", F_NONE, 0, 600000, .doc = "How long an idle connection stays open."),
    FIELD_INT(struct config_server, header_timeout_ms, "header_timeout_ms", F_NONE, 100, 120000, .doc = "Time for a complete request head."),
    FIELD_INT(struct config_server, body_timeout_ms, "body_timeout_ms", F_NONE, 100, 600000, .doc = "Time for a complete body."),
    FIELD_INT(struct config_server, body_min_rate, "body_min_rate", F_NONE, 0, 1048576, .doc = "Bytes a second that a body must bring after its first 5 s."),
    FIELD_INT(struct config_server, request_timeout_ms, "request_timeout_ms", F_NONE, 100, 60000, .doc = "Time budget of a request once its body is there."),
    FIELD_INT(struct config_server, stream_timeout_ms, "stream_timeout_ms", F_NONE, 1000, 86400000, .doc = "Time for a reader to take a whole export."),
    FIELD_INT(struct config_server, notice_ms, "notice_ms", F_NONE, 0, 600000, .doc = "How long a stop only says so at /ready, for balancers to notice."),
    FIELD_INT(struct config_server, drain_ms, "drain_ms", F_NONE, 0, 600000, .doc = "How long a stop waits for running requests."),
    FIELD_STRS(struct config_server, trusted_proxies, "trusted_proxies", F_NONE, 2, 49, 64, .check = check_network,
               .doc = "Addresses whose X-Forwarded-* headers are believed."),
    FIELD_STR(struct config_server, public_url, "public_url", F_NONE, 8, 250, .check = check_origin,
              .doc = "Where browsers and clients reach the service."),
};

static const struct field database_fields[] = {
    FIELD_STR(struct config_database, uri, "uri", F_SECRET, 10, 4000, .check = check_database_uri, .doc = "Where MongoDB is."),
    FIELD_STR(struct config_database, name, "name", F_NONE, 1, 38, .check = check_database_name, .doc = "Name of the database."),
    FIELD_INT(struct config_database, start_timeout_ms, "start_timeout_ms", F_NONE, 0, 3600000, .doc = "How long a start waits for MongoDB."),
    FIELD_INT(struct config_database, call_timeout_ms, "call_timeout_ms", F_NONE, 1000, 30000, .doc = "How long one call to MongoDB may take."),
    FIELD_INT(struct config_database, pool_size, "pool_size", F_NONE, 4, 1000, .doc = "Most connections to MongoDB."),
    FIELD_BOOL(struct config_database, migrate_on_start, "migrate_on_start", F_NONE, .doc = "Apply pending migrations when the service starts."),
};

static const struct field tenancy_fields[] = {
    FIELD_STRS(struct config_tenancy, base_domains, "base_domains", F_NONE, 1, 253, 16, .check = check_base_domain,
               .doc = "Tenants are <slug>.<base domain>."),
    FIELD_STR(struct config_tenancy, default_tenant, "default_tenant", F_NONE, 1, 63, .check = text_check_slug,
              .doc = "Tenant of requests that name none."),
    FIELD_ENUM(struct config_tenancy, issuer_form, "issuer_form", F_NONE, issuer_form_names, .doc = "How a tenant's issuer is written."),
    FIELD_BOOL(struct config_tenancy, accept_shared_origin, "accept_shared_origin", F_NONE, .doc = "Allow path issuers with open registration in production."),
    FIELD_ENUM(struct config_tenancy, registration, "registration", F_NONE, registration_names, .doc = "Who may register a tenant."),
    FIELD_BOOL(struct config_tenancy, list_enabled, "list_enabled", F_NONE, .doc = "Whether GET /tenants/list answers."),
    FIELD_STRS(struct config_tenancy, self_service_plans, "self_service_plans", F_NONE, 1, 20, 4, .check = check_plan,
               .doc = "Plans that a registration may choose."),
    FIELD_INT(struct config_tenancy, max_collections, "max_collections", F_NONE, 0, 1000000, .doc = "Most user collections; 0 = from MongoDB's open-file limit."),
    FIELD_INT(struct config_tenancy, deletion_grace_days, "deletion_grace_days", F_NONE, 1, 365, .doc = "Days in which a deleted tenant can be restored."),
    FIELD_STR(struct config_tenancy, upgrade_url, "upgrade_url", F_NONE, 8, 1000, .check = check_url, .doc = "Shown when a plan's limit is reached."),
};

static const struct field password_fields[] = {
    FIELD_ENUM(struct config_password, scheme, "scheme", F_NONE, password_scheme_names, .doc = "How new passwords are hashed."),
    FIELD_INT(struct config_password, cost, "cost", F_NONE, 10, 14, .doc = "bcrypt cost."),
    FIELD_INT(struct config_password, threads, "threads", F_NONE, 0, 64, .doc = "Hashing threads; 0 = one per core."),
    FIELD_INT(struct config_password, queue, "queue", F_NONE, 0, 4096, .doc = "Passwords that may wait for a hashing thread; 0 = measured."),
    FIELD_INT(struct config_password, min_length, "min_length", F_NONE, 8, 64, .doc = "Least length of a new password."),
};

static const struct field token_fields[] = {
    FIELD_INT(struct config_tokens, access_ttl, "access_ttl", F_NONE, 1, DAY, .doc = "Seconds an access token of the session-less paths lives."),
    FIELD_INT(struct config_tokens, oauth_access_ttl, "oauth_access_ttl", F_NONE, 1, DAY, .doc = "Seconds an access token of an OAuth client lives."),
    FIELD_INT(struct config_tokens, refresh_ttl, "refresh_ttl", F_NONE, 1, 366 * DAY, .doc = "Seconds a refresh token may stay unused."),
    FIELD_INT(struct config_tokens, refresh_max_ttl, "refresh_max_ttl", F_NONE, 1, 3660 * DAY, .doc = "Seconds after which a login ends in any case."),
    FIELD_INT(struct config_tokens, session_ttl, "session_ttl", F_NONE, 1, 366 * DAY, .doc = "Seconds a browser session lives."),
    FIELD_INT(struct config_tokens, signing_key_days, "signing_key_days", F_NONE, 0, 3660, .doc = "Days after which a signing key is replaced; 0 = only by \"tenantd keys rotate\"."),
    FIELD_BOOL(struct config_tokens, password_grant, "password_grant", F_NONE, .doc = "Whether OAuth clients that registered the grant password may use it; RFC 9700 advises against it."),
};

static const struct field limit_fields[] = {
    FIELD_INT(struct config_limits, sign_ins_per_minute, "sign_ins_per_minute", F_NONE, 0, MANY, .doc = "Per address; 0 = unlimited."),
    FIELD_INT(struct config_limits, client_percent, "client_percent", F_NONE, 1, 100, .doc = "How much of its tenant's requests a minute one OAuth client may use."),
    FIELD_INT(struct config_limits, unknown_tenants_per_minute, "unknown_tenants_per_minute", F_NONE, 0, MANY, .doc = "Look-ups of tenants that do not exist, per address; 0 = unlimited."),
    FIELD_INT(struct config_limits, registrations_per_hour, "registrations_per_hour", F_NONE, 0, MANY, .doc = "Per address; 0 = unlimited."),
    FIELD_INT(struct config_limits, tenants_per_day, "tenants_per_day", F_NONE, 0, MANY, .doc = "Per address; 0 = unlimited."),
    FIELD_INT(struct config_limits, tenants_per_hour, "tenants_per_hour", F_NONE, 0, MANY, .doc = "Of the whole platform; 0 = unlimited."),
    FIELD_INT(struct config_limits, requests_per_minute, "requests_per_minute", F_NONE, 0, MANY, .doc = "Per address; 0 = unlimited."),
    FIELD_INT(struct config_limits, development_factor, "development_factor", F_NONE, 1, 1000000, .doc = "Multiplies the limits per address in development."),
    FIELD_INT(struct config_limits, lock_after, "lock_after", F_NONE, 1, 1000, .doc = "Failed sign-ins in a row that lock an account."),
    FIELD_INT(struct config_limits, lock_seconds, "lock_seconds", F_NONE, 1, DAY, .doc = "The first lock; each further one is twice as long."),
    FIELD_INT(struct config_limits, lock_max_seconds, "lock_max_seconds", F_NONE, 1, DAY, .doc = "The longest lock."),
};

static const struct field fetch_fields[] = {
    FIELD_STRS(struct config_fetch, allow, "allow", F_NONE, 2, 49, 64, .check = check_network,
               .doc = "Addresses that are not public and may be sent to all the same."),
    FIELD_INT(struct config_fetch, timeout_ms, "timeout_ms", F_NONE, 100, 30000, .doc = "Time for a whole request to somebody else."),
};

static const struct field outbox_fields[] = {
    FIELD_INT(struct config_outbox, retry_first_ms, "retry_first_ms", F_NONE, 10, 3600000, .doc = "The wait after the first try that failed; each further one is twice as long."),
    FIELD_INT(struct config_outbox, retry_max_ms, "retry_max_ms", F_NONE, 10, 86400000, .doc = "The longest wait."),
    FIELD_INT(struct config_outbox, give_up_hours, "give_up_hours", F_NONE, 1, 168, .doc = "After this nothing is tried any more."),
};

static const struct field jobs_fields[] = {
    FIELD_INT(struct config_jobs, lease_ms, "lease_ms", F_NONE, 500, 600000, .doc = "After so long without a sign of life another instance goes on with a background job."),
};

static const struct field plan_fields[] = {
    FIELD_INT(struct config_plan, users, "users", F_NONE, 0, MANY, .doc = "Most users, the owner counted; 0 = unlimited."),
    FIELD_INT(struct config_plan, requests_per_minute, "requests_per_minute", F_NONE, 0, MANY, .doc = "Of the tenant and of each key; 0 = unlimited."),
    FIELD_INT(struct config_plan, access_keys, "access_keys", F_NONE, 0, MANY, .doc = "Most access keys; 0 = unlimited."),
    FIELD_INT(struct config_plan, clients, "clients", F_NONE, 0, MANY, .doc = "Most OAuth clients; 0 = unlimited."),
    FIELD_INT(struct config_plan, audit_days, "audit_days", F_NONE, 0, 36600, .doc = "Days that audit rows are kept; 0 = for ever."),
    FIELD_INT(struct config_plan, custom_indexes, "custom_indexes", F_NONE, 0, 32, .doc = "Most custom fields that are unique or indexed."),
};

static const struct schema server_schema = { .name = "config_server", .global = true, .size = sizeof(struct config_server), SCHEMA_FIELDS(server_fields) };
static const struct schema database_schema = { .name = "config_database", .global = true, .size = sizeof(struct config_database), SCHEMA_FIELDS(database_fields) };
static const struct schema tenancy_schema = { .name = "config_tenants", .global = true, .size = sizeof(struct config_tenancy), SCHEMA_FIELDS(tenancy_fields) };
static const struct schema password_schema = { .name = "config_password", .global = true, .size = sizeof(struct config_password), SCHEMA_FIELDS(password_fields) };
static const struct schema token_schema = { .name = "config_tokens", .global = true, .size = sizeof(struct config_tokens), SCHEMA_FIELDS(token_fields) };
static const struct schema limit_schema = { .name = "config_limits", .global = true, .size = sizeof(struct config_limits), SCHEMA_FIELDS(limit_fields) };
static const struct schema fetch_schema = { .name = "config_fetch", .global = true, .size = sizeof(struct config_fetch), SCHEMA_FIELDS(fetch_fields) };
static const struct schema outbox_schema = { .name = "config_outbox", .global = true, .size = sizeof(struct config_outbox), SCHEMA_FIELDS(outbox_fields) };
static const struct schema jobs_schema = { .name = "config_jobs", .global = true, .size = sizeof(struct config_jobs), SCHEMA_FIELDS(jobs_fields) };
static const struct schema plan_schema = { .name = "config_plan", .global = true, .size = sizeof(struct config_plan), SCHEMA_FIELDS(plan_fields) };

static const struct field plans_fields[] = {
    FIELD_OBJECT(struct config_plans, free, "free", F_NONE, &plan_schema, .doc = "Plan free."),
    FIELD_OBJECT(struct config_plans, basic, "basic", F_NONE, &plan_schema, .doc = "Plan basic."),
    FIELD_OBJECT(struct config_plans, premium, "premium", F_NONE, &plan_schema, .doc = "Plan premium."),
    FIELD_OBJECT(struct config_plans, enterprise, "enterprise", F_NONE, &plan_schema, .doc = "Plan enterprise."),
};
static const struct schema plans_schema = { .name = "config_plans", .global = true, .size = sizeof(struct config_plans), SCHEMA_FIELDS(plans_fields) };

static const struct field config_fields[] = {
    FIELD_ENUM(struct config, environment, "environment", F_NONE, environment_names, .doc = "development or production."),
    FIELD_STR(struct config, log_level, "log_level", F_NONE, 4, 5, .values = log_level_names, .doc = "Least level of the lines in the log."),
    FIELD_STR(struct config, master_key, "master_key", F_SECRET, 1, 1000, .doc = "Base64 of at least 32 random bytes."),
    FIELD_STR(struct config, master_key_file, "master_key_file", F_NONE, 1, 1000, .doc = "File that holds the master key."),
    FIELD_STR(struct config, platform_key, "platform_key", F_SECRET, 1, 1000, .doc = "The first platform key."),
    FIELD_STR(struct config, platform_key_file, "platform_key_file", F_NONE, 1, 1000, .doc = "File that holds it, or that the first start writes it to."),
    FIELD_STR(struct config, pages_override_dir, "pages_override_dir", F_NONE, 1, 1000, .doc = "Directory whose files replace built-in templates."),
    FIELD_OBJECT(struct config, server, "server", F_NONE, &server_schema, .doc = "Listeners and time limits."),
    FIELD_OBJECT(struct config, database, "database", F_NONE, &database_schema, .doc = "MongoDB."),
    FIELD_OBJECT(struct config, tenants, "tenants", F_NONE, &tenancy_schema, .doc = "Tenants."),
    FIELD_OBJECT(struct config, password, "password", F_NONE, &password_schema, .doc = "Passwords."),
    FIELD_OBJECT(struct config, tokens, "tokens", F_NONE, &token_schema, .doc = "Lifetimes."),
    FIELD_OBJECT(struct config, limits, "limits", F_NONE, &limit_schema, .doc = "Rate limits and locks."),
    FIELD_OBJECT(struct config, fetch, "fetch", F_NONE, &fetch_schema, .doc = "Requests to others."),
    FIELD_OBJECT(struct config, outbox, "outbox", F_NONE, &outbox_schema, .doc = "Messages to applications."),
    FIELD_OBJECT(struct config, jobs, "jobs", F_NONE, &jobs_schema, .doc = "Background jobs."),
    FIELD_OBJECT(struct config, plans, "plans", F_NONE, &plans_schema, .doc = "What each plan allows."),
};
const struct schema config_schema = { .name = "config", .global = true, .size = sizeof(struct config), SCHEMA_FIELDS(config_fields) };
/* clang-format on */

const struct config_key config_restart_keys[] = {
    {NULL, "environment"},       {NULL, "master_key"},
    {NULL, "master_key_file"},   {"server", "bind"},
    {"server", "port"},          {"server", "extra_port"},
    {"server", "metrics_port"},  {"server", "threads"},
    {"server", "keep_alive_ms"}, {"server", "header_timeout_ms"},
    {"database", NULL},          {"password", "scheme"},
    {"password", "cost"},        {"password", "threads"},
    {"password", "queue"},
};
const size_t config_restart_key_count = sizeof config_restart_keys / sizeof config_restart_keys[0];

/* --- defaults --- */

static const struct config_server server_defaults = {
    .bind = "0.0.0.0",
    .port = 8080,
    .extra_port = 0,
    .metrics_port = 9464,
    .threads = 128,
    .keep_alive_ms = 15000,
    .header_timeout_ms = 10000,
    .body_timeout_ms = 30000,
    .body_min_rate = 1024,
    .request_timeout_ms = 5000,
    .stream_timeout_ms = 600000,
    .notice_ms = 2000,
    .drain_ms = 10000,
};

static const struct config_database database_defaults = {
    .uri = "mongodb://127.0.0.1:27017/?replicaSet=rs0",
    .name = "tenantd",
    .start_timeout_ms = 30000,
    .call_timeout_ms = 1000,
    .pool_size = 64,
};

static const struct config_limits limit_defaults = {
    .sign_ins_per_minute = 60,
    .client_percent = 50,
    .unknown_tenants_per_minute = 120,
    .registrations_per_hour = 30,
    .tenants_per_day = 5,
    .tenants_per_hour = 500,
    .requests_per_minute = 6000,
    .development_factor = 100,
    .lock_after = 10,
    .lock_seconds = 30,
    .lock_max_seconds = 15 * MINUTE,
};

static const struct config_plans plan_defaults = {
    .free = {.users = 10,
             .requests_per_minute = 600,
             .access_keys = 2,
             .clients = 10,
             .audit_days = 30,
             .custom_indexes = 2},
    .basic = {.users = 50,
              .requests_per_minute = 3000,
              .access_keys = 5,
              .clients = 50,
              .audit_days = 90,
              .custom_indexes = 4},
    .premium = {.users = 200,
                .requests_per_minute = 12000,
                .access_keys = 20,
                .clients = 200,
                .audit_days = 365,
                .custom_indexes = 8},
    .enterprise = {.users = 0,
                   .requests_per_minute = 0,
                   .access_keys = 0,
                   .clients = 0,
                   .audit_days = 365,
                   .custom_indexes = 8},
};

/* The tables' lists hold const char *[], which the decoder may replace but never writes to. */
static const char *localhost_only[] = {"localhost"};
static const char *free_only[] = {"free"};
static const char *loopback[] = {"127.0.0.0/8", "::1"};

void config_defaults(struct config *config, enum environment environment)
{
    bool development = environment == ENV_DEVELOPMENT;

    config->environment = environment;
    config->log_level = "info";
    config->server = server_defaults;
    config->database = database_defaults;
    config->limits = limit_defaults;
    config->plans = plan_defaults;
    config->password = (struct config_password){
        .scheme = PASSWORD_BCRYPT,
        .cost = 10,
        .min_length = 8,
    };
    config->tokens = (struct config_tokens){
        .access_ttl = 15 * MINUTE,
        .oauth_access_ttl = HOUR,
        .signing_key_days = 90,
        .refresh_ttl = 7 * DAY,
        .refresh_max_ttl = 30 * DAY,
        .session_ttl = 12 * HOUR,
        .password_grant = true,
    };
    config->tenants = (struct config_tenancy){
        .base_domains = {.items = localhost_only, .count = 1},
        .issuer_form = development ? ISSUER_PATH : ISSUER_SUBDOMAIN,
        .registration = development ? REGISTRATION_OPEN : REGISTRATION_VERIFIED,
        .list_enabled = development,
        .self_service_plans = {.items = free_only, .count = 1},
        .deletion_grace_days = 7,
    };
    config->fetch.timeout_ms = 10000;
    config->outbox = (struct config_outbox){
        .retry_first_ms = development ? 1000 : 10000,
        .retry_max_ms = 1800000,
        .give_up_hours = 24,
    };
    config->jobs.lease_ms = 10000;
    if (development) {
        config->fetch.allow = (struct strs){.items = loopback, .count = 2};
        config->server.bind = "127.0.0.1";
        config->server.notice_ms = 0;
        config->server.extra_port = 5000;
    }
}
