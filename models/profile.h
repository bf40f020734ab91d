/*
 * Users for the operator's own code: a read-only view of one tenant's users, "profiles_<hex>",
 * without hashes and counters, beside the collections that it joins them with. Its shape is a
 * promise: profile_version in every document says which, and only grows.
 */
#pragma once

#include "app/ctx.h"
#include "app/db.h"

#define PROFILE_VERSION 1

/* The members that the documents of this version have, besides _id; NULL-terminated. */
extern const char *const profile_members[];

/* Makes the view of the ctx's tenant, or brings it to this version's shape. Audited. */
CHECKED enum err profile_make(struct ctx *ctx);
/* Audited. ERR_NOT_FOUND when there is none. */
CHECKED enum err profile_drop(struct ctx *ctx);
CHECKED enum err profile_look(struct ctx *ctx, enum db_view_state *ret_state);
/* For a tenant that is removed: no trace, no row. */
CHECKED enum err profile_purge(struct ctx *ctx);

/* The role "tenantd_profiles_<slug>": with watches it may follow the users' own collection, whose
 * documents hold password hashes. */
struct profile_role {
    bool watches;
    const char *name;    /* given back */
    const char *command; /* that makes it, as JSON; given back */
};

CHECKED enum err profile_role_describe(struct ctx *ctx, struct profile_role *role);
/* Describes it and makes it; *ret_allowed is false when the database's user may make none. Audited.
 * ERR_NOT_FOUND without a view. */
CHECKED enum err profile_role_make(struct ctx *ctx, struct profile_role *role, bool *ret_allowed);
