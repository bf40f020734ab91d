/*
 * Some hundred lines in one transaction with the place where to go on. What the database alone can
 * refuse (a value of a unique custom field, somebody who signed up meanwhile) ends the attempt: the
 * lines before it are taken by themselves, it is told, and the rest follows.
 */
#include <string.h>

#include "app/db.h"
#include "app/text.h"
#include "models/audit.h"
#include "models/import_internal.h"
#include "models/tenant.h"
#include "models/tenant_usage.h"
#include "models/user_removal.h"
#include "models/user_security.h"

#define TEXT_BYTES 1000 /* of what is told of a line */

/* ---- what is to become of each ---- */

static enum err decide_existing(struct ctx *ctx, const struct import_batch *batch,
                                struct import_entry *entry)
{
    if (batch->work.input->mode == IMPORT_SKIP) {
        entry->outcome = IMPORT_SKIPPED;
        return ERR_OK;
    }
    if (entry->clash != 0)
        return import_taken(ctx, entry->clash - 1, "is another user's.");
    if (batch->work.input->mode == IMPORT_INSERT)
        return import_taken(
            ctx,
            !uuid_is_zero(&entry->in.id) ? 0
            : entry->given.username_canonical != NULL && entry->before.username_canonical != NULL &&
                    strcmp(entry->given.username_canonical, entry->before.username_canonical) == 0
                ? 1
                : 2,
            "is taken.");
    TRY(import_entry_merge(ctx, &batch->work, entry));
    entry->outcome = IMPORT_UPDATE;
    return ERR_OK;
}

static enum err decide_new(struct ctx *ctx, const struct import_batch *batch,
                           struct import_entry *entry, int64_t *places)
{
    const bool is_unhashed = entry->in.password != NULL && entry->given.password_hash == NULL &&
                             !batch->work.input->dry_run;

    if (*places == 0)
        return fail(ctx, ERR_PLAN_LIMIT, NULL,
                    "The plan \"%s\" allows %lld users, and that many exist.",
                    plan_names[ctx->tenant->plan], (long long)tenant_max_users(ctx));
    if (is_unhashed)
        return fail(ctx, ERR_CONFLICT, NULL,
                    "The user was there a moment ago, so that the password was not hashed, and is "
                    "gone now: import this line again.");
    TRY(import_entry_make(ctx, entry));
    entry->outcome = IMPORT_CREATE;
    if (*places > 0)
        --*places;
    return ERR_OK;
}

/* Somebody whom a line before makes. */
static enum err decide_twin(struct ctx *ctx, const struct import_batch *batch,
                            struct import_entry *entry, int key, int64_t line)
{
    if (batch->work.input->mode == IMPORT_INSERT)
        return import_taken(ctx, key,
                            arena_printf(ctx->arena, "is that of line %lld.", (long long)line));
    entry->outcome = batch->work.input->mode == IMPORT_SKIP ? IMPORT_SKIPPED : IMPORT_UPDATE;
    return ERR_OK;
}

/* Whom its keys name is only known when the lines before it are written: one of them may give
 * these very names away. */
static bool is_unsettled(const struct import_batch *batch, size_t i)
{
    const struct import_entry *entry = &batch->entries[i];

    for (size_t j = batch->from; j < i && entry->exists; j++) {
        const struct import_entry *other = &batch->entries[j];

        if (other->outcome == IMPORT_UPDATE &&
            (entry->clash != 0 || uuid_equal(&other->before.id, &entry->before.id)))
            return true;
    }
    return false;
}

/* True when the entry is for the next transaction: it changes whom this one writes. */
static enum err decide(struct ctx *ctx, struct import_batch *batch, size_t i, int64_t *places,
                       bool *ret_later)
{
    struct import_entry *entry = &batch->entries[i];
    const struct import_entry *twin;
    int key = 0;

    entry->outcome = IMPORT_FAILED;
    if (entry->refused)
        return ERR_OK;
    twin = import_twin(&batch->entries[batch->from], entry, &key);
    if (batch->work.input->mode == IMPORT_UPSERT && (twin != NULL || is_unsettled(batch, i))) {
        *ret_later = !batch->work.input->dry_run;
        entry->outcome = IMPORT_UPDATE;
        entry->mask = 0; /* unknown yet */
        return ERR_OK;
    }
    if (twin != NULL)
        return decide_twin(ctx, batch, entry, key, twin->number);
    if (entry->seen_line != 0)
        return decide_twin(ctx, batch, entry, entry->seen_key, entry->seen_line);
    return entry->exists ? decide_existing(ctx, batch, entry)
                         : decide_new(ctx, batch, entry, places);
}

/* -1: the plan knows no limit. *ret_owners: that there are now. */
static enum err count_places(struct ctx *ctx, const struct import_batch *batch, int64_t *ret_places,
                             int64_t *ret_owners)
{
    const int64_t limit = tenant_max_users(ctx);
    struct tenant_usage usage = {0};

    TRY(tenant_usage_get(ctx, &usage));
    if (batch->work.input->dry_run)
        usage.users += batch->result->created;
    *ret_owners = usage.owners;
    *ret_places = limit == 0 ? -1 : limit > usage.users ? limit - usage.users : 0;
    return ERR_OK;
}

static bool is_owner(const struct user *user)
{
    return user->is_active && user->role == ROLE_OWNER;
}

/* Of active owners, by this line. */
static int owner_change(const struct import_entry *entry)
{
    const uint64_t rights = user_field_bit("is_active") | user_field_bit("role");

    if (entry->outcome == IMPORT_CREATE)
        return is_owner(&entry->user);
    if (entry->outcome != IMPORT_UPDATE || (entry->mask & rights) == 0)
        return 0;
    return is_owner(&entry->user) - is_owner(&entry->before);
}

/* One may follow another in the same lines; of those who would leave nobody the last are refused.
 */
static enum err keep_an_owner(struct ctx *ctx, struct import_batch *batch, int64_t owners)
{
    for (size_t i = batch->from; i < batch->to; i++)
        owners += owner_change(&batch->entries[i]);
    for (size_t i = batch->to; i > batch->from && owners < 1; i--) {
        struct import_entry *entry = &batch->entries[i - 1];

        if (owner_change(entry) >= 0)
            continue;
        (void)fail(ctx, ERR_LAST_OWNER, entry->user.is_active ? "role" : "is_active", "%s",
                   error_info(ERR_LAST_OWNER)->sentence);
        TRY(import_entry_refuse(ctx, entry, ERR_LAST_OWNER));
        entry->refused = false; /* of this attempt alone */
        entry->outcome = IMPORT_FAILED;
        owners++;
    }
    return ERR_OK;
}

/* A dry run does so twice when there are unique custom fields: whose values are to be looked up is
 * known after the first time. */
static enum err decide_each(struct ctx *ctx, struct import_batch *batch, int64_t places)
{
    bool later = false;

    for (size_t i = batch->from; i < batch->to; i++) {
        struct import_entry *entry = &batch->entries[i];
        const int64_t places_before = places;
        enum err decided = decide(ctx, batch, i, &places, &later);

        if (decided == ERR_OK)
            decided = import_unique_judge(ctx, batch, i);
        if (decided != ERR_OK) {
            TRY(import_entry_refuse(ctx, entry, decided));
            entry->refused = false; /* of this attempt alone */
            entry->outcome = IMPORT_FAILED;
            places = places_before;
        }
        if (later)
            batch->to = i;
    }
    return ERR_OK;
}

static enum err decide_all(struct ctx *ctx, struct import_batch *batch)
{
    int64_t places = 0, owners = 0;

    batch->unique = (struct list){0};
    TRY(user_authority(ctx, &batch->work.authority));
    TRY(import_match(ctx, &batch->entries[batch->from], batch->to - batch->from));
    TRY(import_seen_load(ctx, batch));
    TRY(count_places(ctx, batch, &places, &owners));
    if (batch->work.input->dry_run) {
        TRY(decide_each(ctx, batch, places));
        TRY(import_unique_load(ctx, batch));
    }
    if (!batch->work.input->dry_run || batch->unique.count > 0)
        TRY(decide_each(ctx, batch, places));
    return keep_an_owner(ctx, batch, owners);
}

/* ---- counting ---- */

static enum err add_error(struct ctx *ctx, struct import_result *result,
                          const struct import_entry *entry)
{
    struct import_error *errors = result->errors.items, *error;

    result->failed++;
    if (result->errors.count == IMPORT_ERRORS_MAX)
        return ERR_OK;
    error = &errors[result->errors.count++];
    *error = (struct import_error){.line = entry->number, .error = entry->error};
    TRY(text_clip(ctx, entry->pointer, TEXT_BYTES, &error->pointer));
    return text_clip(ctx, entry->message, TEXT_BYTES, &error->message);
}

static enum err count_outcomes(struct ctx *ctx, struct import_batch *batch)
{
    struct import_error *errors = arena_array(ctx->arena, IMPORT_ERRORS_MAX, sizeof *errors);
    struct import_result *after = &batch->after;

    if (errors == NULL)
        return ERR_MEMORY;
    *after = *batch->result;
    if (after->errors.count > 0)
        memcpy(errors, after->errors.items, after->errors.count * sizeof *errors);
    after->errors.items = errors;
    for (size_t i = batch->from; i < batch->to; i++) {
        const struct import_entry *entry = &batch->entries[i];

        after->created += entry->outcome == IMPORT_CREATE;
        after->updated += entry->outcome == IMPORT_UPDATE;
        after->skipped += entry->outcome == IMPORT_SKIPPED;
        if (entry->outcome == IMPORT_FAILED)
            TRY(add_error(ctx, after, entry));
    }
    return ERR_OK;
}

/* ---- writing ---- */

static enum err change_usage(struct ctx *ctx, const struct import_batch *batch)
{
    struct usage_change change = {0};

    for (size_t i = batch->from; i < batch->to; i++) {
        const struct import_entry *entry = &batch->entries[i];
        const struct user *user = &entry->user, *before = &entry->before;
        const bool writes = entry->outcome == IMPORT_CREATE || entry->outcome == IMPORT_UPDATE;
        const bool was = entry->outcome == IMPORT_UPDATE;

        if (!writes)
            continue;
        change.users += was ? 0 : 1;
        change.inactive_users += !user->is_active - (was && !before->is_active);
        change.owners += owner_change(entry);
    }
    return tenant_usage_change(ctx, &change);
}

static bool has_outcome(const struct import_batch *batch, size_t from, size_t to,
                        enum import_outcome outcome)
{
    while (from < to && batch->entries[from].outcome != outcome)
        from++;
    return from < to;
}

/* The database refused the write of an entry. New users are written before the changes of others,
 * so what stood in its way may belong to a line behind it, or be given away by one before it: then
 * the lines are cut there and tried again. Else it is refused for good. */
static enum err conflict(struct ctx *ctx, struct import_batch *batch, size_t i, enum err err)
{
    struct import_entry *entry = &batch->entries[i];
    const bool is_change = entry->outcome == IMPORT_UPDATE;

    batch->conflict = i + 1;
    if (is_change && has_outcome(batch, i + 1, batch->to, IMPORT_CREATE)) {
        batch->conflict++;
        fail_clear(ctx);
        return ERR_VALUE_TAKEN;
    }
    if (!is_change && has_outcome(batch, batch->from, i, IMPORT_UPDATE)) {
        fail_clear(ctx);
        return ERR_VALUE_TAKEN;
    }
    if (err == ERR_CONFLICT)
        err = user_taken(ctx);
    TRY(import_entry_refuse(ctx, entry, err));
    return ERR_VALUE_TAKEN;
}

static enum err insert_users(struct ctx *ctx, struct import_batch *batch)
{
    const size_t most = batch->to - batch->from;
    struct user *users = arena_array(ctx->arena, most + 1, sizeof *users);
    size_t *places = arena_array(ctx->arena, most + 1, sizeof *places);
    size_t count = 0;

    if (users == NULL || places == NULL)
        return ERR_MEMORY;
    for (size_t i = batch->from; i < batch->to; i++) {
        if (batch->entries[i].outcome != IMPORT_CREATE)
            continue;
        places[count] = i;
        users[count++] = batch->entries[i].user;
    }

    const enum err inserted =
        db_insert_many(ctx, &user_schema, &(struct list){.items = users, .count = count});

    if (inserted != ERR_CONFLICT)
        return inserted;
    return conflict(ctx, batch, places[ctx->failure.item < count ? ctx->failure.item : 0],
                    inserted);
}

/* Accounts that their users closed are removed here, too, when their time comes. */
static enum err insert_removals(struct ctx *ctx, const struct import_batch *batch)
{
    for (size_t i = batch->from; i < batch->to; i++) {
        const struct import_entry *entry = &batch->entries[i];

        if (entry->outcome == IMPORT_CREATE && entry->user.deletion_at != 0)
            TRY(user_removal_put(ctx, &entry->user.id, entry->user.deletion_at));
    }
    return ERR_OK;
}

/* As models/user_admin.c tells of the same change. */
static enum err audit_update(struct ctx *ctx, const struct import_entry *entry)
{
    const struct uuid *id = &entry->before.id;
    const uint64_t active = user_field_bit("is_active"), role = user_field_bit("role"),
                   hash = user_field_bit("password_hash");

    if ((entry->mask & active) != 0)
        TRY(audit_insert(ctx, entry->user.is_active ? "user.activated" : "user.deactivated",
                         "success", id, NULL));
    if ((entry->mask & role) != 0)
        TRY(audit_insert(ctx, "user.role_changed", "success", id, role_names[entry->user.role]));
    if ((entry->mask & hash) != 0)
        TRY(audit_insert(ctx, "user.password_set", "success", id, NULL));
    if ((entry->mask & ~(active | role | hash)) != 0)
        TRY(audit_insert(ctx, "user.updated", "success", id, NULL));
    return ERR_OK;
}

static enum err update_user(struct ctx *ctx, struct import_batch *batch, size_t i)
{
    struct import_entry *entry = &batch->entries[i];
    const struct user_write write = {
        .after = &entry->user, .mask = entry->mask, .new_epoch = entry->ends};
    struct user after = {0};

    entry->epoch = 0;
    if (entry->mask == 0)
        return ERR_OK;
    if ((entry->mask & user_field_bit("deletion_at")) != 0)
        TRY(user_removal_cancel(ctx, &entry->before.id));

    const enum err written = user_rewrite(ctx, &write, &after);

    if (written == ERR_EMAIL_TAKEN || written == ERR_USERNAME_TAKEN || written == ERR_VALUE_TAKEN)
        return conflict(ctx, batch, i, written);
    TRY(written);
    if (entry->ends) {
        entry->epoch = after.security_epoch;
        TRY(user_end_issued(ctx, &entry->before.id, entry->epoch));
    }
    return audit_update(ctx, entry);
}

/* One row for all who are made; who gets more rights than a user has is named. */
static enum err audit_created(struct ctx *ctx, const struct import_batch *batch)
{
    const int64_t created = batch->after.created - batch->result->created;

    for (size_t i = batch->from; i < batch->to; i++) {
        const struct import_entry *entry = &batch->entries[i];

        if (entry->outcome == IMPORT_CREATE && entry->user.role > ROLE_USER)
            TRY(audit_insert(ctx, "user.created", "success", &entry->user.id, NULL));
    }
    return created > 0 ? audit_insert_counted(ctx, "users.imported", created, NULL) : ERR_OK;
}

static enum err write_all(struct ctx *ctx, struct import_batch *batch)
{
    TRY(change_usage(ctx, batch));
    TRY(insert_users(ctx, batch));
    TRY(insert_removals(ctx, batch));
    for (size_t i = batch->from; i < batch->to; i++) {
        if (batch->entries[i].outcome == IMPORT_UPDATE)
            TRY(update_user(ctx, batch, i));
    }
    return audit_created(ctx, batch);
}

static enum err save(struct ctx *ctx, const struct import_batch *batch)
{
    const struct import_entry *last = &batch->entries[batch->to - 1];
    const struct import_place place = {.line = last->number, .offset = last->offset};
    AUTO(bson_destroy) bson_t *checkpoint = bson_new();
    AUTO(bson_destroy) bson_t *result = bson_new();

    (void)schema_to_bson(&import_place_schema, &place, checkpoint);
    (void)schema_to_bson(&import_result_schema, &batch->after, result);
    return job_save(ctx, batch->work.run,
                    &(struct job_progress){.done = place.line,
                                           .total = batch->work.input->lines,
                                           .checkpoint = checkpoint,
                                           .result = result});
}

static enum err attempt(struct ctx *ctx, void *arg)
{
    struct import_batch *batch = arg;

    batch->conflict = 0;
    TRY(decide_all(ctx, batch));
    TRY(count_outcomes(ctx, batch));
    TRY(batch->work.input->dry_run ? import_seen_add(ctx, batch) : write_all(ctx, batch));
    return save(ctx, batch);
}

/* ---- going through ---- */

/* What was issued to those who changed ends here at once. */
static void settle(struct ctx *ctx, struct import_batch *batch)
{
    const struct import_entry *last = &batch->entries[batch->to - 1];

    for (size_t i = batch->from; i < batch->to && !batch->work.input->dry_run; i++) {
        const struct import_entry *entry = &batch->entries[i];

        if (entry->outcome == IMPORT_UPDATE && entry->epoch != 0)
            user_end_issued_here(ctx, &entry->before.id, entry->epoch);
    }
    *batch->result = batch->after;
    *batch->place = (struct import_place){.line = last->number, .offset = last->offset};
}

enum err import_batch_take(struct ctx *ctx, struct import_batch *batch, size_t count)
{
    size_t most = count;

    for (batch->from = 0; batch->from < count;) {
        batch->to = most > batch->from ? most : count;

        const enum err taken = db_transaction(ctx, attempt, batch);

        if (taken == ERR_OK) {
            settle(ctx, batch);
            batch->from = batch->to;
            most = count;
            continue;
        }
        if (taken != ERR_VALUE_TAKEN || batch->conflict == 0)
            return taken;
        most = batch->conflict - 1;
    }
    return ERR_OK;
}
