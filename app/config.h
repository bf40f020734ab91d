/*
 * config.yaml as one immutable struct, decoded by the field table in config.c. Every key has a
 * default except the secrets; unknown and duplicate keys stop the start with file and line. ${ENV}
 * is expanded inside scalars before they are typed. Snapshots are reference-counted so that SIGHUP
 * can swap them.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "app/arena.h"
#include "app/error.h"
#include "app/schema.h"

enum environment { ENV_UNSET = 0, ENV_DEVELOPMENT, ENV_PRODUCTION };
enum registration {
    REGISTRATION_UNSET = 0,
    REGISTRATION_OPEN,
    REGISTRATION_VERIFIED,
    REGISTRATION_CLOSED
};
enum issuer_form { ISSUER_UNSET = 0, ISSUER_PATH, ISSUER_SUBDOMAIN };
enum password_scheme { PASSWORD_UNSET = 0, PASSWORD_BCRYPT, PASSWORD_ARGON2ID };
enum plan { PLAN_UNSET = 0, PLAN_FREE, PLAN_BASIC, PLAN_PREMIUM, PLAN_ENTERPRISE, PLAN_COUNT };

extern const char *const plan_names[]; /* {NULL, "free", "basic", "premium", "enterprise", NULL} */

struct config_server {
    const char *bind;                /* "127.0.0.1" in development, "0.0.0.0" */
    int64_t port;                    /* 8080 */
    int64_t extra_port;              /* 5000 in development, 0 = none */
    int64_t metrics_port;            /* 9464, loopback only, 0 = none */
    int64_t threads;                 /* 128 connection threads */
    int64_t connections_per_address; /* 0 = production: threads / 4, development: no limit */
    int64_t keep_alive_ms;           /* 15000 */
    int64_t header_timeout_ms;       /* 10000: complete head */
    int64_t body_timeout_ms;         /* 30000: complete body */
    int64_t body_min_rate;           /* bytes a second after 5 s: 1024 */
    int64_t request_timeout_ms;      /* time budget of a request after its body: 5000 */
    int64_t stream_timeout_ms;       /* 600000: a whole long answer */
    int64_t notice_ms;               /* 2000, development 0: idle connections outlive SIGTERM */
    int64_t drain_ms;                /* 10000: from then on to exit */
    struct strs trusted_proxies;     /* addresses or CIDR; default none */
    const char *public_url;          /* http://localhost:8080 */
};

struct config_database {
    const char *uri;          /* secret: may hold a password */
    const char *name;         /* tenantd */
    int64_t start_timeout_ms; /* keep trying at start: 30000 */
    int64_t call_timeout_ms;  /* 1000; see db_answer_ms */
    int64_t pool_size;        /* 64 */
    bool migrate_on_start;
};

struct config_tenancy {
    struct strs base_domains;   /* default: localhost */
    const char *default_tenant; /* slug or NULL */
    enum issuer_form issuer_form;
    bool accept_shared_origin;
    enum registration registration;
    bool list_enabled;              /* GET /tenants/list */
    struct strs self_service_plans; /* default: free */
    int64_t max_collections;        /* 0 = from hostInfo, else 3000 */
    int64_t deletion_grace_days;    /* 7: until then a deleted tenant can be restored */
    const char *upgrade_url;        /* or NULL */
};

struct config_password {
    enum password_scheme scheme;
    int64_t cost;       /* bcrypt 10..14, default 10 */
    int64_t threads;    /* 0 = cores */
    int64_t queue;      /* 0 = min(server.threads / 4, 2 s of measured rate) */
    int64_t min_length; /* default of the tenant setting: 8 */
};

struct config_tokens {
    int64_t access_ttl;       /* session-less: 900 */
    int64_t oauth_access_ttl; /* 3600 */
    int64_t refresh_ttl;      /* idle: 604800 (7 d) */
    int64_t refresh_max_ttl;  /* absolute: 2592000 (30 d) */
    int64_t session_ttl;      /* 43200 */
    int64_t signing_key_days; /* a signing key is replaced after: 90; 0 = only by command */
    bool password_grant;      /* for OAuth clients that registered it */
};

struct config_limits {
    int64_t sign_ins_per_minute;        /* per address: 60 */
    int64_t client_percent;             /* of its tenant's budget, for an OAuth client: 50 */
    int64_t unknown_tenants_per_minute; /* per address: 120 */
    int64_t registrations_per_hour;     /* per address: 30 */
    int64_t tenants_per_day;            /* per address: 5 */
    int64_t tenants_per_hour;           /* whole platform: 500 */
    int64_t requests_per_minute;        /* per address, everything: 6000 */
    int64_t development_factor;         /* multiplies the per-address ones in development: 100 */
    int64_t lock_after;                 /* failures in a row: 10 */
    int64_t lock_seconds;               /* first lock: 30 */
    int64_t lock_max_seconds;           /* 900 */
};

struct config_fetch {
    struct strs allow;  /* addresses or networks that are not public; development: loopback */
    int64_t timeout_ms; /* 10000 */
};

struct config_outbox {
    int64_t retry_first_ms; /* 10000, development 1000: doubles each time */
    int64_t retry_max_ms;   /* 1800000 */
    int64_t give_up_hours;  /* 24 */
};

struct config_jobs {
    int64_t lease_ms; /* 10000 */
};

struct config_plan {
    int64_t users;               /* 0 = unlimited */
    int64_t requests_per_minute; /* 0 = unlimited */
    int64_t access_keys;
    int64_t clients; /* of OAuth */
    int64_t audit_days;
    int64_t custom_indexes;
};

struct config_plans {
    struct config_plan free, basic, premium, enterprise;
};

struct config {
    enum environment environment;
    const char *log_level; /* debug info warn error */
    struct config_server server;
    struct config_database database;
    struct config_tenancy tenants;
    struct config_password password;
    struct config_tokens tokens;
    struct config_limits limits;
    struct config_fetch fetch;
    struct config_outbox outbox;
    struct config_jobs jobs;
    struct config_plans plans;
    const char *master_key;         /* base64 of 32 bytes, secret; or master_key_file */
    const char *master_key_file;    /* mode 0600 */
    const char *platform_key;       /* the first one, secret; or platform_key_file */
    const char *platform_key_file;  /* mode 0600; written by the first start when it is absent */
    const char *pages_override_dir; /* or NULL */
    /* not in the file: */
    uint8_t master_key_bytes[32];
    const char *platform_key_text; /* of either, or NULL */
    struct arena arena;
    _Atomic int64_t refs;
};

extern const struct schema config_schema;

/* Loads, expands, decodes and checks. On error ret_message (malloc'd, caller frees) is one sentence
 * per problem, each "file:line: …" with what to do. */
CHECKED enum err config_load(const char *path, struct config **ret_config, char **ret_message);
struct config *config_ref(struct config *config);
void config_unref(struct config *config);
const struct config_plan *config_plan_of(const struct config *config, enum plan plan);
