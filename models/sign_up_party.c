/* One transaction for all who met. */
#include "models/sign_up_party.h"

#include "app/app.h"
#include "app/gather.h"
#include "models/audit.h"
#include "models/tenant.h"

struct party {
    const struct gather_guest *first;
    int64_t count;
    struct user *users;
    struct audit_row *rows;
};

/* The same tenant, and the same caller with the same right. */
bool sign_up_may_meet(const void *work, const void *other)
{
    const struct sign_up_guest *one = work, *two = other;
    const struct identity *a = &one->ctx->who, *b = &two->ctx->who;

    if (!uuid_equal(&one->ctx->tenant_id, &two->ctx->tenant_id) || one->permit != two->permit)
        return false;
    return one->permit == NULL ||
           (one->user->role == two->user->role && a->credential == b->credential &&
            a->role == b->role && uuid_equal(&a->user_id, &b->user_id));
}

static struct sign_up_guest *guest_of(const struct gather_guest *place)
{
    return place->work;
}

/* ---- the transaction ---- */

static enum err insert_all(struct ctx *ctx, void *arg)
{
    struct party *party = arg;
    const struct sign_up_guest *leader = guest_of(party->first);
    const struct gather_guest *place = party->first;

    if (leader->permit != NULL)
        TRY(leader->permit(ctx, (enum role)leader->user->role));
    for (size_t i = 0; place != NULL; place = place->next, i++) {
        const struct sign_up_guest *guest = guest_of(place);

        TRY(user_begin(guest->ctx, guest->user));
        TRY(audit_prepare(guest->ctx, guest->action, "success", &guest->user->id, &party->rows[i]));
        party->users[i] = *guest->user;
    }

    const struct list users = {.items = party->users, .count = (size_t)party->count};

    TRY(db_insert_many(ctx, &user_schema, &users));
    TRY(audit_insert_prepared(ctx, party->rows, users.count));
    for (place = party->first->next; place != NULL; place = place->next)
        TRY(db_run_hooks(ctx, guest_of(place)->ctx));
    return ERR_OK;
}

static enum err make_all(struct ctx *ctx, struct party *party)
{
    party->users = arena_array(ctx->arena, (size_t)party->count, sizeof *party->users);
    party->rows = arena_array(ctx->arena, (size_t)party->count, sizeof *party->rows);
    if (party->users == NULL || party->rows == NULL)
        return ERR_MEMORY;
    TRY(tenant_reserve_users(ctx, party->count));

    const enum err made = db_transaction(ctx, insert_all, party);

    if (made == ERR_OK || db_outcome_unknown(ctx))
        return made;
    TRY(tenant_release_users(ctx, party->count));
    return made;
}

/* ---- the party ---- */

/* All are made, or none is and each goes on alone, or nobody knows. */
static void lead(struct ctx *ctx, const struct gather_guest *first)
{
    struct party party = {.first = first};

    for (const struct gather_guest *place = first; place != NULL; place = place->next)
        party.count++;

    const enum err made = make_all(ctx, &party);
    const bool unknown = made != ERR_OK && db_outcome_unknown(ctx);

    for (const struct gather_guest *place = first; place != NULL; place = place->next) {
        struct sign_up_guest *guest = guest_of(place);

        guest->is_alone = made != ERR_OK && !unknown;
        guest->result = made;
        if (unknown && guest->ctx != ctx)
            guest->result = fail_internal(guest->ctx, made, "%s", ctx->failure.internal);
    }
    if (!unknown)
        fail_clear(ctx);
}

enum err sign_up_meet(struct sign_up_guest *guest)
{
    struct ctx *ctx = guest->ctx;
    struct gather *gather = ctx->app->sign_ups;
    struct gather_guest place = {.work = guest};

    switch (gather_enter(gather, &place, ctx_remaining(ctx, db_answer_ms(ctx->app->db)))) {
    case GATHER_LATE:
        return fail_internal(ctx, ERR_DB_UNAVAILABLE, "too many users are made at once");
    case GATHER_SERVED:
        break;
    case GATHER_LEADS:
        if (place.next != NULL)
            lead(ctx, &place);
        else
            guest->result = guest->alone(guest);
        gather_leave(gather, &place);
        break;
    }
    return guest->is_alone ? guest->alone(guest) : guest->result;
}
