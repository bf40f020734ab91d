/*
 * What a tenant says about its users' custom fields: one JSON Schema, in versions that are never
 * changed. The tenant's document names the version in force, so publishing is one transaction with
 * its audit row, and every instance knows it within a second. The compiled form is cached by tenant
 * and version. Owner of the collection custom_schemas.
 */
#pragma once

#include "app/ctx.h"
#include "app/schema.h"
#include "app/shape.h"

struct custom_schema {
    struct uuid id;
    struct uuid tenant_id;
    int64_t version;
    struct bytes schema; /* as it was put */
    struct uuid created_by;
    int64_t created_at;
};

extern const struct schema custom_schema_schema;

/* The version in force: from the database, and (borrowed by ctx) as it is obeyed. ERR_NOT_FOUND
 * when the tenant has none. */
CHECKED enum err custom_schema_find(struct ctx *ctx, struct custom_schema *ret_schema);
CHECKED enum err custom_schema_shape(struct ctx *ctx, const struct shape **ret_shape);
/* One of the versions that there were. ERR_NOT_FOUND. */
CHECKED enum err custom_schema_version(struct ctx *ctx, int64_t version,
                                       struct custom_schema *ret_schema);
/* What the compiled form of one schema may take: the cache of them is bounded by their number. */
#define CUSTOM_SCHEMA_MEMORY ((size_t)512 * 1024)
#define CUSTOM_SCHEMA_BYTES  ((size_t)128 * 1024) /* stored; a body has 64 KiB */
/* What find gave, compiled in ctx->arena. ERR_MEMORY when that has no room for it. */
CHECKED enum err custom_schema_compile(struct ctx *ctx, const struct bytes *schema,
                                       const struct shape **ret_shape);
/* Loader for app->shapes. */
enum err custom_schema_load(struct ctx *ctx, const void *key, size_t size, const void **ret_data);

#define CUSTOM_SCHEMA_SAMPLE 10

/* A user whom the schema does not fit. */
struct custom_failure {
    struct uuid user_id;
    const char *pointer, *keyword, *message; /* the first that is wrong */
};

struct custom_trial {
    const struct value *schema; /* the JSON that came in */
    bool dry_run;
    int64_t version; /* that must be in force; -1 = any */
    /* What came of it: */
    bool is_over;        /* else it goes on in the background */
    const char *phase;   /* of models/publication.h */
    int64_t new_version; /* that it has, or would have */
    int64_t checked, failing;
    struct custom_failure sample[CUSTOM_SCHEMA_SAMPLE];
    size_t sample_count;
};

/* Compiles the schema and has a background job hold all users of the tenant against it and, unless
 * it is a dry run, publish it; waits some seconds for that. ERR_SCHEMA with the JSON pointer;
 * ERR_SCHEMA_UNMET when users do not fit; ERR_PRECONDITION; ERR_CONFLICT when another one was
 * published meanwhile. */
CHECKED enum err custom_schema_put(struct ctx *ctx, struct custom_trial *trial);
