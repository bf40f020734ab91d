/* What a publication does to the tenant's users and their collection. */
#include "models/publication_internal.h"

#include <string.h>

#include "app/app.h"
#include "app/clock.h"
#include "app/db.h"
#include "app/document.h"
#include "models/audit.h"
#include "models/custom_fields.h"
#include "models/custom_validator.h"
#include "models/tenant.h"
#include "models/user.h"

#define BATCH         100
#define BATCH_MS      30000
#define STRUCTURE_MS  600000 /* an index over all users */
#define SAVE_EVERY_MS 1000
#define DUPLICATES    5

/* ---- steps ---- */

typedef enum err (*work_fn)(struct ctx *ctx, struct job_run *run, void *publication);

static enum err step(struct ctx *ctx, struct publication *publication, work_fn work,
                     int64_t budget_ms)
{
    return job_step(ctx, publication->run,
                    &(struct job_step){.work = work, .arg = publication, .budget_ms = budget_ms});
}

/* All users, a batch at a time; work moves publication->after on, and sets it to zero behind the
 * last. */
static enum err walk_users(struct ctx *ctx, struct publication *publication, work_fn work)
{
    do {
        TRY(step(ctx, publication, work, BATCH_MS));
        if (!uuid_is_zero(&publication->after) &&
            clock_monotonic_ms() - publication->saved_at > SAVE_EVERY_MS)
            TRY(publication_save(ctx, publication));
    } while (!uuid_is_zero(&publication->after));
    return ERR_OK;
}

/* ---- looking ---- */

static const char *kept(struct publication *publication, const char *text)
{
    return arena_strdup(publication->run->arena, text);
}

static enum err note(struct ctx *ctx, struct publication *publication, const struct uuid *user_id,
                     const struct shape_failure *failure)
{
    struct publication_report *report = &publication->report;
    struct custom_failure *sample;

    report->failing++;
    if (report->sample.count == CUSTOM_SCHEMA_SAMPLE)
        return ERR_OK;
    sample = &publication->sample[report->sample.count];
    *sample = (struct custom_failure){.user_id = *user_id,
                                      .pointer = kept(publication, failure->pointer),
                                      .keyword = kept(publication, failure->keyword),
                                      .message = kept(publication, failure->message)};
    if (sample->pointer == NULL || sample->keyword == NULL || sample->message == NULL)
        return fail_internal(ctx, ERR_MEMORY, "no memory for a sample");
    report->sample.count++;
    return ERR_OK;
}

/* A unique field must have the stored form of the new version before its index is built: in
 * another one, equal values are not equal to the database, and could never be converted. */
static const struct custom_index *find_unconverted(const struct publication *publication,
                                                   const struct bytes *stored)
{
    const struct custom_index *items = publication->new_indexes.items;
    bson_iter_t root, value;
    bson_t view;

    for (size_t i = 0; i < publication->new_indexes.count; i++) {
        if (items[i].unique && document_view(stored, &view) && bson_iter_init(&root, &view) &&
            bson_iter_find_descendant(&root, items[i].path, &value) &&
            !custom_fields_is_stored_by(items[i].shape, &value))
            return &items[i];
    }
    return NULL;
}

static enum err check_user(struct ctx *ctx, struct publication *publication,
                           const struct user *user)
{
    const struct custom_conversion conversion = {
        .from = publication->reader, .to = publication->to, .user_id = user->id};
    const struct custom_index *unconverted;
    struct shape_failures failures = {0};

    TRY(custom_fields_try(ctx, &conversion, &user->stored_fields, &failures));
    if (failures.count > 0)
        return note(ctx, publication, &user->id, &failures.items[0]);
    unconverted = find_unconverted(publication, &user->stored_fields);
    if (unconverted == NULL)
        return ERR_OK;
    return note(ctx, publication, &user->id,
                &(struct shape_failure){
                    .pointer = unconverted->pointer,
                    .keyword = "x-unique",
                    .message = "has to be stored in another form before it can be unique: publish "
                               "the schema without x-unique of it first"});
}

static enum err check_batch(struct ctx *ctx, struct job_run *run, void *arg)
{
    struct publication *publication = arg;
    struct list users = {0};

    (void)run;
    TRY(user_list(ctx, &publication->after, BATCH, &users));
    for (size_t i = 0; i < users.count; i++) {
        const struct user *user = &((const struct user *)users.items)[i];

        TRY(check_user(ctx, publication, user));
        publication->report.checked++;
        publication->after = user->id;
    }
    if (users.count < BATCH)
        publication->after = (struct uuid){0};
    return ERR_OK;
}

static const struct custom_index *find_index(const struct list *indexes, const char *name)
{
    const struct custom_index *items = indexes->items;

    for (size_t i = 0; i < indexes->count; i++) {
        if (strcmp(items[i].name, name) == 0)
            return &items[i];
    }
    return NULL;
}

static enum err check_duplicates_of(struct ctx *ctx, struct publication *publication,
                                    const struct custom_index *index)
{
    const struct db_duplicates duplicates = {
        .path = arena_printf(ctx->arena, "custom_fields.%s", index->path),
        .ignores_case = index->ignores_case,
        .limit = DUPLICATES,
    };
    const struct shape_failure failure = {
        .pointer = index->pointer,
        .keyword = "x-unique",
        .message = "must be unique, and another user has the same value",
    };
    struct list ids = {0};

    if (duplicates.path == NULL)
        return fail_internal(ctx, ERR_MEMORY, "no memory for a path");
    TRY(db_find_duplicates(ctx, &user_schema, &duplicates, &ids));
    for (size_t i = 0; i < ids.count; i++)
        TRY(note(ctx, publication, &((const struct uuid *)ids.items)[i], &failure));
    return ERR_OK;
}

/* Of fields that become unique; the others are it already. */
static enum err check_duplicates(struct ctx *ctx, struct job_run *run, void *arg)
{
    struct publication *publication = arg;
    const struct custom_index *items = publication->new_indexes.items;

    (void)run;
    for (size_t i = 0; i < publication->new_indexes.count; i++) {
        if (items[i].unique && find_index(&publication->old_indexes, items[i].name) == NULL)
            TRY(check_duplicates_of(ctx, publication, &items[i]));
    }
    return ERR_OK;
}

static enum err begin_check(struct ctx *ctx, struct job_run *run, void *arg)
{
    struct publication *publication = arg;
    struct publication_report *report = &publication->report;

    (void)run;
    if (ctx->tenant->schema_version != report->version - 1)
        return fail(ctx, ERR_CONFLICT, NULL,
                    "Another schema was published meanwhile; read it and try again.");
    report->checked = report->failing = 0;
    report->sample.count = 0;
    return db_collection_size(ctx, &user_schema, &report->total);
}

static enum err refuse(struct ctx *ctx, const struct publication *publication)
{
    const struct publication_report *report = &publication->report;
    const struct custom_failure *first = &publication->sample[0];
    char id[UUID_TEXT_SIZE];

    uuid_text(&first->user_id, id);
    return fail(ctx, ERR_SCHEMA_UNMET, first->pointer,
                "%lld of %lld users do not fit this schema: user %s, %s %s. Nothing was changed; "
                "?dry_run=true shows more of them.",
                (long long)report->failing, (long long)report->checked, id, first->pointer,
                first->message);
}

/* Duplicates are looked for once: behind the fence, the unique index finds them. */
enum err publication_check(struct ctx *ctx, struct publication *publication)
{
    const bool is_first = publication->report.phase == PUBLICATION_CHECKING;

    if (uuid_is_zero(&publication->after))
        TRY(step(ctx, publication, begin_check, BATCH_MS));
    TRY(walk_users(ctx, publication, check_batch));
    if (is_first)
        TRY(step(ctx, publication, check_duplicates, STRUCTURE_MS));
    if (publication->report.failing == 0 || publication->dry_run)
        return ERR_OK;
    TRY(publication_save(ctx, publication));
    return refuse(ctx, publication);
}

/* ---- the validator ---- */

struct put_validator {
    const struct custom_validator *const *validators;
    size_t count;
};

static enum err set_validator(struct ctx *ctx, struct job_run *run, void *arg)
{
    const struct put_validator *put = arg;
    AUTO(bson_destroy)
    bson_t *validator = custom_validator_join(ctx, put->validators, put->count);

    if (validator == NULL)
        return fail_internal(ctx, ERR_MEMORY, "no memory for a validator");
    TRY(job_renew(ctx, run));
    return db_set_validator(ctx, &user_schema, validator);
}

static enum err put_validators(struct ctx *ctx, struct publication *publication,
                               const struct custom_validator *first,
                               const struct custom_validator *second)
{
    const struct custom_validator *const both[] = {first, second};
    struct put_validator put = {.validators = both, .count = second != NULL ? 2 : 1};

    return job_step(
        ctx, publication->run,
        &(struct job_step){.work = set_validator, .arg = &put, .budget_ms = STRUCTURE_MS});
}

static struct custom_validator bridge(const struct publication *publication)
{
    return (struct custom_validator){
        .shape = publication->to, .is_bridge = true, .from = publication->from};
}

static bool is_stored_alike(const struct publication *publication)
{
    return custom_fields_stored_alike(publication->from, publication->to);
}

enum err publication_fence(struct ctx *ctx, struct publication *publication)
{
    const struct custom_validator old = {.shape = publication->from};
    const struct custom_validator new = bridge(publication);

    return put_validators(ctx, publication, &new, publication->from != NULL ? &old : NULL);
}

/* From here on the old version's rules are the service's alone, for the moment until the new ones
 * are in force: then nothing that they allow may be refused any more. */
enum err publication_open(struct ctx *ctx, struct publication *publication)
{
    const struct custom_validator new = bridge(publication);

    return publication->from != NULL ? put_validators(ctx, publication, &new, NULL) : ERR_OK;
}

enum err publication_tighten(struct ctx *ctx, struct publication *publication)
{
    const struct custom_validator new = {.shape = publication->to};

    return is_stored_alike(publication) ? ERR_OK : put_validators(ctx, publication, &new, NULL);
}

/* ---- indexes ---- */

static enum err create_indexes(struct ctx *ctx, struct job_run *run, void *arg)
{
    struct publication *publication = arg;
    struct db_indexes wanted = {0};
    const char *pointer;
    enum err built;

    TRY(custom_index_make(ctx, &publication->new_indexes, false, &wanted));
    TRY(job_renew(ctx, run));
    built = db_create_indexes(ctx, &user_schema, wanted.items, wanted.count);
    if (built != ERR_CONFLICT || ctx->failure.path == NULL)
        return built;
    pointer = custom_field_pointer(ctx, ctx->failure.path);
    return fail(ctx, ERR_SCHEMA_UNMET, pointer,
                "Two users have the same value in %s, so it cannot be unique. Nothing was changed.",
                pointer);
}

enum err publication_index(struct ctx *ctx, struct publication *publication)
{
    return step(ctx, publication, create_indexes, STRUCTURE_MS);
}

/* Those of the one list that the other one has not. One that is gone already is fine. */
static enum err drop_surplus(struct ctx *ctx, const struct list *indexes, const struct list *others)
{
    const struct custom_index *items = indexes->items;

    for (size_t i = 0; i < indexes->count; i++) {
        if (find_index(others, items[i].name) != NULL)
            continue;

        const enum err dropped = db_drop_index(ctx, &user_schema, items[i].name);

        if (dropped != ERR_NOT_FOUND)
            TRY(dropped);
        fail_clear(ctx);
    }
    return ERR_OK;
}

static enum err drop_old(struct ctx *ctx, struct job_run *run, void *arg)
{
    const struct publication *publication = arg;

    TRY(job_renew(ctx, run));
    return drop_surplus(ctx, &publication->old_indexes, &publication->new_indexes);
}

enum err publication_drop(struct ctx *ctx, struct publication *publication)
{
    return step(ctx, publication, drop_old, STRUCTURE_MS);
}

/* ---- the version ---- */

static enum err activate(struct ctx *ctx, void *arg)
{
    struct publication *publication = arg;
    const int64_t version = publication->report.version;
    const struct custom_schema schema = {
        .id = uuid_new(),
        .tenant_id = ctx->tenant_id,
        .version = version,
        .schema = publication->schema,
        .created_by = ctx->who.user_id,
        .created_at = clock_now_ms(),
    };
    AUTO(bson_destroy) bson_t *filter = BCON_NEW("status", BCON_UTF8("active"));
    AUTO(bson_destroy)
    bson_t *update = BCON_NEW("$set", "{", "schema_version", BCON_INT64(version), "}", "$inc", "{",
                              "version", BCON_INT64(1), "}");
    struct tenant tenant = {0};

    bson_put_uuid(filter, "_id", &ctx->tenant_id);
    if (version > 1)
        bson_put_int(filter, "schema_version", version - 1);
    publication->report.phase = PUBLICATION_DROPPING;
    publication->after = (struct uuid){0};
    TRY(publication_save(ctx, publication));
    TRY(db_insert(ctx, &custom_schema_schema, &schema));
    TRY(db_find_and_update(ctx, &tenant_schema,
                           &(struct db_change){.filter = filter, .update = update}, &tenant));
    return audit_insert(ctx, "schema.published", "success", NULL, NULL);
}

static enum err activate_once(struct ctx *ctx, struct job_run *run, void *arg)
{
    struct publication *publication = arg;
    const enum err done = db_transaction(ctx, activate, publication);

    tenant_forget(ctx, ctx->tenant);
    if (done != ERR_OK)
        publication->report.phase = PUBLICATION_ACTIVATING;
    if (atomic_load(&run->lost) || (done != ERR_NOT_FOUND && done != ERR_CONFLICT))
        return done;
    return fail(ctx, ERR_CONFLICT, NULL,
                "Another schema was published meanwhile; read it and try again.");
}

enum err publication_activate(struct ctx *ctx, struct publication *publication)
{
    return step(ctx, publication, activate_once, BATCH_MS);
}

/* ---- the stored form ---- */

static bool is_same(const struct bytes *a, const struct bytes *b)
{
    return a->size == b->size && (a->size == 0 || memcmp(a->data, b->data, a->size) == 0);
}

/* Who was changed meanwhile is looked at again by the sweep: whoever wrote it wrote either form. */
static enum err convert_user(struct ctx *ctx, const struct publication *publication,
                             const struct user *user)
{
    const struct custom_conversion conversion = {
        .from = publication->reader, .to = publication->to, .user_id = user->id};
    AUTO(bson_destroy) bson_t *filter = bson_new();
    AUTO(bson_destroy) bson_t *update = bson_new();
    struct bytes converted = {0};
    bson_t view, set;
    enum err updated;

    if (user->stored_fields.size == 0)
        return ERR_OK;
    TRY(custom_fields_convert(ctx, &conversion, &user->stored_fields, &converted));
    if (is_same(&user->stored_fields, &converted) || !document_view(&converted, &view))
        return ERR_OK;
    bson_put_uuid(filter, "_id", &user->id);
    bson_put_int(filter, "version", user->version);
    BSON_APPEND_DOCUMENT_BEGIN(update, "$set", &set);
    BSON_APPEND_DOCUMENT(&set, "custom_fields", &view);
    bson_append_document_end(update, &set);
    updated = db_update_one(ctx, &user_schema, filter, update);
    return updated == ERR_NOT_FOUND ? ERR_OK : updated;
}

static enum err convert_batch(struct ctx *ctx, struct job_run *run, void *arg)
{
    struct publication *publication = arg;
    struct list users = {0};

    TRY(user_list(ctx, &publication->after, BATCH, &users));
    for (size_t i = 0; i < users.count; i++) {
        const struct user *user = &((const struct user *)users.items)[i];

        TRY(job_go_on(ctx, run));
        TRY(convert_user(ctx, publication, user));
        publication->after = user->id;
    }
    if (users.count < BATCH)
        publication->after = (struct uuid){0};
    return ERR_OK;
}

enum err publication_convert(struct ctx *ctx, struct publication *publication)
{
    return is_stored_alike(publication) ? ERR_OK : walk_users(ctx, publication, convert_batch);
}

/* ---- back ---- */

static enum err take_back(struct ctx *ctx, struct job_run *run, void *arg)
{
    const struct publication *publication = arg;
    const struct custom_validator old = {.shape = publication->from};
    const struct custom_validator *const validators[] = {&old};
    AUTO(bson_destroy)
    bson_t *validator = custom_validator_join(ctx, validators, publication->from != NULL ? 1 : 0);

    if (validator == NULL)
        return fail_internal(ctx, ERR_MEMORY, "no memory for a validator");
    TRY(job_renew(ctx, run));
    TRY(db_set_validator(ctx, &user_schema, validator));
    return drop_surplus(ctx, &publication->new_indexes, &publication->old_indexes);
}

enum err publication_undo(struct ctx *ctx, struct publication *publication)
{
    return step(ctx, publication, take_back, STRUCTURE_MS);
}
