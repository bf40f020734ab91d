/*
 * Tenants: the document, its life (creating -> active -> suspended/deleted), its settings, and the
 * cached snapshots that every request resolves to. Owner of the collections tenants, tenant_usage
 * and tenant_domains.
 */
#pragma once

#include "app/config.h"
#include "app/ctx.h"
#include "app/schema.h"
#include "models/tenant_rules.h"

enum tenant_status {
    TENANT_STATUS_UNSET = 0,
    TENANT_CREATING,
    TENANT_ACTIVE,
    TENANT_SUSPENDED,
    TENANT_DELETED,  /* only the slug is left, reserved for ever; or a creation being removed */
    TENANT_DELETING, /* scheduled: can be restored until purge_at */
    TENANT_PURGING,  /* being removed for good */
};

extern const char *const tenant_status_names[]; /* {NULL, "creating", "active", …} */

/* What the platform grants a tenant beside its plan; absent means the plan's. 0 = unlimited. */
struct tenant_overrides {
    int64_t users, requests_per_minute, access_keys, clients, audit_days;
    bool has_users, has_requests_per_minute, has_access_keys, has_clients, has_audit_days;
};

struct tenant {
    struct uuid id;
    const char *slug;
    const char *name;
    const char *industry;
    const char *domain; /* verified one, or NULL */
    int plan;           /* enum plan */
    int status;         /* enum tenant_status */
    bool discoverable;
    struct tenant_settings settings;
    struct tenant_overrides limits;
    const char *name_key;   /* canonical form of name, for searches */
    int64_t schema_version; /* of custom fields, in force (models/custom_schema.h); 0 = none */
    int64_t epoch;
    int64_t status_changed_at; /* 0 = never since its creation */
    int64_t purge_at;          /* of a scheduled deletion; 0 otherwise */
    int64_t created_at;
    int64_t expires_at; /* of a creation that did not finish; 0 otherwise */
    int64_t version;
};

extern const struct schema tenant_schema;
extern const struct schema tenant_overrides_schema;
extern const struct schema tenant_usage_schema;
extern const struct schema tenant_domain_schema;

struct new_tenant {
    const char *slug; /* canonical; NULL = derived from name, numbered where taken */
    bool (*is_reserved)(const char *slug); /* which derived slugs are not to be used */
    const char *name;
    const char *industry;
    const char *domain; /* pending */
    int plan;
    struct tenant_overrides limits;
    /* The owner, or NULL username and email for a tenant with only a key. */
    const char *owner_username;
    const char *owner_email;
    const char *owner_password_hash;
    bool with_key; /* make an access key with all scopes but users:hashes */
};

struct created_tenant {
    struct tenant tenant;
    struct uuid owner_id;
    const char *access_key; /* shown once, or NULL */
};

/* Whether the caller may make a tenant here (api.md §10): tenants.registration, or a platform key.
 * ERR_REGISTRATION_CLOSED with a sentence. */
CHECKED enum err tenant_check_creation(struct ctx *ctx);

/* Reserves the slug, makes collection and indexes, then activates tenant, owner, keys and audit row
 * in one transaction. *ret_created is complete when the hooks of that transaction run
 * (db_before_commit). ERR_SLUG_TAKEN, ERR_CAPACITY. */
CHECKED enum err tenant_create(struct ctx *ctx, const struct new_tenant *new_tenant,
                               struct created_tenant *ret_created);

/* Any tenant but a half-made one, whatever its status, from the database. ERR_NOT_FOUND. */
CHECKED enum err tenant_find(struct ctx *ctx, const struct uuid *id, struct tenant *ret_tenant);
/* The ctx's own, as the database has it now, in its arena: for work that outlasts a cached
 * snapshot.
 */
CHECKED enum err tenant_refresh(struct ctx *ctx);
CHECKED enum err tenant_find_by_slug(struct ctx *ctx, const char *slug, struct tenant *ret_tenant);
/* Drops this instance's snapshots of a tenant that was changed; others learn by the stream. */
void tenant_forget(struct ctx *ctx, const struct tenant *tenant);

/* Active tenants only; others are ERR_TENANT_NOT_FOUND. Through the caches; held by ctx. */
CHECKED enum err tenant_get_by_id(struct ctx *ctx, const struct uuid *id,
                                  const struct tenant **ret_tenant);
CHECKED enum err tenant_get_by_slug(struct ctx *ctx, const char *slug,
                                    const struct tenant **ret_tenant);
CHECKED enum err tenant_get_by_domain(struct ctx *ctx, const char *domain,
                                      const struct tenant **ret_tenant);
/* Loaders for app->tenants, app->slugs, app->domains. */
enum err tenant_load_by_id(struct ctx *ctx, const void *key, size_t size, const void **ret_data);
enum err tenant_load_by_slug(struct ctx *ctx, const void *key, size_t size, const void **ret_data);
enum err tenant_load_by_domain(struct ctx *ctx, const void *key, size_t size,
                               const void **ret_data);

/* Active and discoverable, by slug after the given one (NULL = first). list of struct tenant. */
CHECKED enum err tenant_list_public(struct ctx *ctx, const char *after_slug, int64_t limit,
                                    struct list *ret_tenants);
/* All tenants for commands, by slug. */
CHECKED enum err tenant_list_all(struct ctx *ctx, const char *after_slug, int64_t limit,
                                 struct list *ret_tenants);
/* Replaces the given settings (mask of tenant_settings_schema fields) of the ctx's tenant, with an
 * audit row, in one transaction. version: which the document must have, else ERR_PRECONDITION;
 * 0 = any. */
CHECKED enum err tenant_settings_update(struct ctx *ctx, const struct tenant_settings *settings,
                                        uint64_t mask, int64_t version, struct tenant *ret_tenant);
/* The same for name, industry and discoverable (mask of tenant_schema fields). */
CHECKED enum err tenant_profile_update(struct ctx *ctx, const struct tenant *profile, uint64_t mask,
                                       int64_t version, struct tenant *ret_tenant);

int64_t tenant_access_ttl(const struct ctx *ctx);
/* Of OAuth clients' access tokens. */
int64_t tenant_client_access_ttl(const struct ctx *ctx);
int64_t tenant_id_token_ttl(const struct ctx *ctx);
int64_t tenant_refresh_ttl(const struct ctx *ctx);
int64_t tenant_refresh_max_ttl(const struct ctx *ctx);
int64_t tenant_session_ttl(const struct ctx *ctx);
int64_t tenant_refresh_grace(const struct ctx *ctx, bool cookies);
/* The issuer of a tenant: "<public_url>/t/<slug>" or "https://<slug>.<base domain>". In ctx arena.
 */
CHECKED enum err tenant_issuer(struct ctx *ctx, const struct tenant *tenant,
                               const char **ret_issuer);
/* The plan of a tenant with the platform's overrides laid over. */
struct config_plan tenant_plan(const struct app *app, const struct tenant *tenant);
/* Users the plan allows; 0 = unlimited. */
int64_t tenant_max_users(const struct ctx *ctx);

/* Reserves so many users under the plan's limit by one conditional update: all or none.
 * ERR_PLAN_LIMIT. */
CHECKED enum err tenant_reserve_users(struct ctx *ctx, int64_t count);
CHECKED enum err tenant_release_users(struct ctx *ctx, int64_t count);

/* Housekeeping: removes tenants whose creation expired, with what they left. */
CHECKED enum err tenant_remove_expired(struct ctx *ctx, int64_t *ret_removed);
