/* The body of the PUT is the schema itself; its keywords are read by app/shape_compile.c. */
#include "handlers/custom_schema.h"

#include <string.h>

#include "app/etag.h"
#include "models/custom_index.h"
#include "models/custom_schema.h"
#include "models/publication.h"
#include "models/scope.h"
#include "models/tenant.h"
#include "models/tenant_rules.h"

/* What OpenAPI shows of the body: the keywords that most schemas have. */
struct schema_input {
    struct bytes properties;
    struct strs required;
};

struct schema_query {
    bool dry_run;
};

struct schema_answer {
    int64_t version;
    struct bytes schema;
    struct list indexes;
    struct publication_status publication;
};

struct failing {
    int64_t checked, count;
    struct list sample;
};

struct schema_result {
    int64_t version;
    const char *state;
    struct failing failing;
};

/* clang-format off */
static const struct field schema_input_fields[] = {
    FIELD_DOC(struct schema_input, properties, "properties", F_NONE, .doc = "A schema for each field, by name."),
    FIELD_STRS(struct schema_input, required, "required", F_NONE, 1, 200, 200, .doc = "Names of fields that every user has."),
};
/* Whoever misspells it, or leaves its value out, is refused: they wanted nothing published. */
static const struct field schema_query_fields[] = {
    FIELD_BOOL(struct schema_query, dry_run, "dry_run", F_NONE, .doc = "Only tell whom it does not fit."),
};
static const struct schema schema_query_schema = {
    .name = "custom_schema_query", .size = sizeof(struct schema_query), SCHEMA_FIELDS(schema_query_fields),
};
const struct schema custom_schema_input_schema = {
    .name = "custom_schema_input", .size = sizeof(struct schema_input), .open = true, SCHEMA_FIELDS(schema_input_fields), .query = &schema_query_schema,
};
static const struct field index_answer_fields[] = {
    FIELD_STR(struct custom_index, pointer, "field", F_REQUIRED, 1, 2000, .doc = "JSON pointer into the user.", .example = "/custom_fields/badge"),
    FIELD_BOOL(struct custom_index, unique, "unique", F_REQUIRED),
    FIELD_BOOL(struct custom_index, ignores_case, "ignores_case", F_REQUIRED),
    FIELD_STR(struct custom_index, name, "name", F_REQUIRED, 1, 128, .doc = "In the database."),
};
static const struct schema index_answer_schema = {
    .name = "custom_schema_index", .size = sizeof(struct custom_index), SCHEMA_FIELDS(index_answer_fields),
};
static const struct field schema_answer_fields[] = {
    FIELD_INT(struct schema_answer, version, "version", F_REQUIRED, 0, INT64_MAX, .doc = "In force; 0 while the first one is being published."),
    FIELD_DOC(struct schema_answer, schema, "schema", F_REQUIRED | F_ALWAYS, .doc = "As it was published."),
    FIELD_LIST(struct schema_answer, indexes, "indexes", F_REQUIRED | F_ALWAYS, &index_answer_schema, DB_INDEXES_MAX, .doc = "Fields that filters find without looking at every user."),
    FIELD_OBJECT(struct schema_answer, publication, "publication", F_NONE, &publication_status_schema, .doc = "While a schema is being published, and after that failed."),
};
const struct schema custom_schema_answer_schema = {
    .name = "custom_schema", .size = sizeof(struct schema_answer), SCHEMA_FIELDS(schema_answer_fields),
};
static const struct field failing_fields[] = {
    FIELD_INT(struct failing, checked, "checked", F_REQUIRED, 0, INT64_MAX, .doc = "Users that were held against the schema."),
    FIELD_INT(struct failing, count, "count", F_REQUIRED, 0, INT64_MAX),
    FIELD_LIST(struct failing, sample, "sample", F_REQUIRED | F_ALWAYS, &custom_failure_schema, CUSTOM_SCHEMA_SAMPLE, .doc = "The first of them, each with the first thing that is wrong."),
};
static const struct schema failing_schema = {
    .name = "custom_schema_failing", .size = sizeof(struct failing), SCHEMA_FIELDS(failing_fields),
};
static const struct field schema_result_fields[] = {
    FIELD_INT(struct schema_result, version, "version", F_REQUIRED, 1, INT64_MAX, .doc = "That the schema has, or after a dry run would have."),
    FIELD_STR(struct schema_result, state, "state", F_REQUIRED, 1, 16, .doc = "active, or dry_run: nothing was changed; else the step that it is at."),
    FIELD_OBJECT(struct schema_result, failing, "failing", F_REQUIRED | F_ALWAYS, &failing_schema, .doc = "Users whom the schema does not fit."),
};
const struct schema custom_schema_result_schema = {
    .name = "custom_schema_result", .size = sizeof(struct schema_result), SCHEMA_FIELDS(schema_result_fields),
};
/* clang-format on */

/* Other users' ids are none of a user's business, nor of an application that was not given an
 * administrator's scope. */
static bool may_see_publication(const struct ctx *ctx)
{
    const struct identity *who = &ctx->who;

    return who->credential == CREDENTIAL_KEY ||
           (who->role >= ROLE_ADMIN &&
            (who->credential == CREDENTIAL_SESSION || scope_has(who->scope, "admin")));
}

/* ERR_NOT_FOUND when there is neither a schema in force nor one under way. */
static enum err find_schema(struct ctx *ctx, struct schema_answer *ret_answer)
{
    struct publication_status *publication = &ret_answer->publication;
    struct custom_schema stored = {0};
    const enum err told =
        may_see_publication(ctx) ? publication_status(ctx, publication) : ERR_NOT_FOUND;
    const enum err found = custom_schema_find(ctx, &stored);

    if (told != ERR_NOT_FOUND)
        TRY(told);
    if (found == ERR_NOT_FOUND && publication->given && !publication->is_over)
        return ERR_OK;
    TRY(found);
    ret_answer->version = stored.version;
    ret_answer->schema = stored.schema;
    return ERR_OK;
}

enum err handle_schema_get(struct request *req, struct response *res)
{
    struct schema_answer answer = {0};
    const struct shape *shape = NULL;

    TRY(find_schema(&req->ctx, &answer));
    if (answer.version > 0) {
        TRY(custom_schema_shape(&req->ctx, &shape));
        TRY(etag_set(req, res, answer.version));
    }
    TRY(custom_index_list(&req->ctx, shape, &answer.indexes));
    return respond(req, res, 200, &answer);
}

/* Which version If-Match and If-None-Match allow to be replaced; -1 = any. Where there is no schema
 * "*" stands for nothing (RFC 9110 §13.1): as If-None-Match it publishes the first one or none. */
static enum err read_expected(struct request *req, int64_t *ret_version)
{
    struct ctx *ctx = &req->ctx;
    const int64_t current = ctx->tenant->schema_version;
    const char *match = request_header(req, "If-Match");
    int64_t bound = 0;

    *ret_version = -1;
    TRY(etag_demand(req, tenant_requires_if_match(ctx) && current > 0));
    if (match != NULL && current == 0 && strcmp(match, "*") == 0)
        return fail(ctx, ERR_PRECONDITION, NULL, "There is no schema that could be replaced.");
    if (current > 0 && etag_is_known(req, current))
        return fail(ctx, ERR_PRECONDITION, NULL, "There is the schema that If-None-Match names.");
    if (match == NULL && request_header(req, "If-None-Match") == NULL)
        return ERR_OK;
    TRY(etag_match(req, current, &bound));
    *ret_version = current;
    return ERR_OK;
}

enum err handle_schema_put(struct request *req, struct response *res)
{
    struct custom_trial *trial = ARENA_NEW(req->ctx.arena, struct custom_trial);
    struct schema_query query;

    if (trial == NULL)
        return ERR_MEMORY;
    if (req->input == NULL)
        return fail(&req->ctx, ERR_SCHEMA, "", "The body must be a JSON Schema, an object.");
    trial->schema = req->input;
    TRY(request_query_input(req, &query));
    trial->dry_run = query.dry_run;
    TRY(read_expected(req, &trial->version));
    TRY(custom_schema_put(&req->ctx, trial));

    const struct schema_result result = {
        .version = trial->new_version,
        .state = !trial->is_over  ? trial->phase
                 : trial->dry_run ? "dry_run"
                                  : "active",
        .failing = {.checked = trial->checked,
                    .count = trial->failing,
                    .sample = {.items = trial->sample, .count = trial->sample_count}},
    };

    if (trial->is_over && !trial->dry_run)
        TRY(etag_set(req, res, trial->new_version));
    return respond(req, res, trial->is_over ? 200 : 202, &result);
}

enum err handle_schema_cancel(struct request *req, struct response *res)
{
    struct publication_status status;
    const enum err cancelled = publication_cancel(&req->ctx, &status);

    if (cancelled == ERR_NOT_FOUND)
        return fail(&req->ctx, ERR_NOT_FOUND, NULL, "No schema is being published or tried.");
    TRY(cancelled);
    return respond(req, res, 202, &status);
}
