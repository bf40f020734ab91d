/*
 * Users who sign up at the same time (G9): one transaction makes all who waited, each with its own
 * audit row and place; what is wrong with one keeps nobody else out; nothing is done twice when
 * nobody knows the end.
 */
#include "models/sign_up_party.h"

#include <pthread.h>

#include "app/clock.h"
#include "app/db.h"
#include "app/gather.h"
#include "app/migrate.h"
#include "models/audit.h"
#include "models/sign_up.h"
#include "models/tenant.h"
#include "models/tenant_usage.h"
#include "support/database.h"
#include "support/unit.h"

#define GUESTS   6
#define SOON     5000
#define A_HASH   "$2b$10$abcdefghijklmnopqrstuuabcdefghijklmnopqrstuvwxyz01234"
#define ARENA_KB 1024

struct caller {
    pthread_t thread;
    struct arena arena;
    struct ctx ctx;
    const char *email;
    struct user user;
    enum err result;
    bool unknown;
};

static struct database database;
static struct tenant tenant;
static struct caller callers[GUESTS];

/* ---- around a test ---- */

static int begin(void **state)
{
    struct ctx *ctx = &database.ctx;

    (void)state;
    if (!database_begin(&database, &(struct database_options){.pool_size = 16}))
        return 0;
    tenant = (struct tenant){.id = uuid_new(), .slug = "party", .plan = PLAN_FREE};
    ctx_set_tenant(ctx, &tenant, &tenant.id);
    if (migrate_up(ctx, NULL, NULL) != ERR_OK ||
        db_ensure_collection(ctx, &user_schema, user_indexes, user_index_count) != ERR_OK ||
        db_insert(ctx, &tenant_usage_schema,
                  &(struct tenant_usage){.tenant_id = tenant.id, .has_owners = true}) != ERR_OK ||
        gather_new(sign_up_may_meet, &database.app.sign_ups) != ERR_OK)
        return -1;
    return audit_writer_start(&database.app, &database.app.audit) == ERR_OK ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    if (database.app.db == NULL)
        return 0;
    audit_writer_stop(database.app.audit);
    gather_free(database.app.sign_ups);
    database_end(&database);
    return 0;
}

static void *call(void *arg)
{
    struct caller *caller = arg;
    const struct new_user wanted = {
        .email = caller->email, .password_hash = A_HASH, .role = ROLE_USER};

    caller->result = sign_up(&caller->ctx, &wanted, &caller->user);
    caller->unknown = db_outcome_unknown(&caller->ctx);
    return NULL;
}

/* All of them come while another is at it, and go on when it has left. */
static void let_meet(const char *const emails[GUESTS])
{
    struct user nobody = {.role = ROLE_USER};
    struct sign_up_guest work = {.ctx = &database.ctx, .user = &nobody};
    struct gather_guest first = {.work = &work};

    assert_int_equal(gather_enter(database.app.sign_ups, &first, SOON), GATHER_LEADS);
    for (size_t i = 0; i < GUESTS; i++) {
        struct caller *caller = &callers[i];

        *caller = (struct caller){.email = emails[i]};
        arena_init(&caller->arena, (size_t)ARENA_KB * 1024);
        database_ctx(&database, &caller->arena, &caller->ctx);
        ctx_set_tenant(&caller->ctx, &tenant, &tenant.id);
        caller->ctx.request_id = emails[i];
        assert_int_equal(pthread_create(&caller->thread, NULL, call, caller), 0);
        WAIT(gather_waiting(database.app.sign_ups) == i + 1, SOON);
    }
    database_forget(&database);
    gather_leave(database.app.sign_ups, &first);
    for (size_t i = 0; i < GUESTS; i++)
        pthread_join(callers[i].thread, NULL);
}

static void part(void)
{
    for (size_t i = 0; i < GUESTS; i++) {
        ctx_clear(&callers[i].ctx);
        arena_clear(&callers[i].arena);
    }
}

static int64_t users_counted(void)
{
    struct tenant_usage usage = {0};

    assert_int_equal(tenant_usage_get(&database.ctx, &usage), ERR_OK);
    return usage.users;
}

static int64_t users_there(void)
{
    struct tenant_usage usage = {0};

    assert_int_equal(tenant_usage_count(&database.ctx, &usage), ERR_OK);
    return usage.users;
}

/* ---- tests ---- */

static void test_one_transaction_makes_all(void **state)
{
    static const char *const emails[GUESTS] = {"a@one.example", "b@one.example", "c@one.example",
                                               "d@one.example", "e@one.example", "f@one.example"};
    struct list rows = {0};

    NEEDS_DATABASE();
    let_meet(emails);
    assert_int_equal(database_sent(&database, "commitTransaction"), 1);
    assert_int_equal(database_sent(&database, "insert"), 2);
    assert_int_equal(database_sent(&database, "update"), 1);
    assert_int_equal(users_counted(), GUESTS);
    assert_int_equal(users_there(), GUESTS);
    for (size_t i = 0; i < GUESTS; i++) {
        struct user stored = {0};

        assert_int_equal(callers[i].result, ERR_OK);
        assert_string_equal(callers[i].user.email_canonical, emails[i]);
        assert_int_equal(user_find(&database.ctx, &callers[i].user.id, &stored), ERR_OK);
        assert_string_equal(stored.email, emails[i]);
        assert_int_equal(stored.version, 1);
        assert_int_equal(audit_list(&database.ctx,
                                    &(struct audit_filter){.user_id = stored.id, .limit = 2},
                                    &rows),
                         ERR_OK);
        assert_int_equal(rows.count, 1);
        assert_string_equal(((struct audit_row *)rows.items)->request_id, emails[i]);
        assert_string_equal(((struct audit_row *)rows.items)->action, "signup");
    }
    part();
}

static void test_who_is_refused_keeps_nobody_out(void **state)
{
    static const char *const emails[GUESTS] = {"a@two.example", "b@two.example", "A@two.example",
                                               "d@two.example", "e@two.example", "f@two.example"};
    int made = 0;

    NEEDS_DATABASE();
    const int64_t before = users_counted();

    let_meet(emails);
    for (size_t i = 0; i < GUESTS; i++) {
        made += callers[i].result == ERR_OK;
        if (callers[i].result == ERR_OK)
            continue;
        assert_int_equal(callers[i].result, ERR_EMAIL_TAKEN);
        assert_string_equal(callers[i].ctx.failure.field, "email");
        assert_true(i == 0 || i == 2);
    }
    assert_int_equal(made, GUESTS - 1);
    assert_int_equal(users_counted(), before + GUESTS - 1);
    assert_int_equal(users_there(), before + GUESTS - 1);
    part();
}

static void test_the_last_places_are_given(void **state)
{
    static const char *const emails[GUESTS] = {"a@three.example", "b@three.example",
                                               "c@three.example", "d@three.example",
                                               "e@three.example", "f@three.example"};
    int made = 0, refused = 0;

    NEEDS_DATABASE();
    const int64_t before = users_counted();

    tenant.limits = (struct tenant_overrides){.has_users = true, .users = before + 4};
    let_meet(emails);
    tenant.limits = (struct tenant_overrides){0};
    for (size_t i = 0; i < GUESTS; i++) {
        made += callers[i].result == ERR_OK;
        refused += callers[i].result == ERR_PLAN_LIMIT;
    }
    assert_int_equal(made, 4);
    assert_int_equal(refused, 2);
    assert_int_equal(users_counted(), before + 4);
    assert_int_equal(users_there(), before + 4);
    part();
}

/* The commit happened and its answer was lost: all of them hear that nobody knows, and nobody is
 * made once more. */
static void test_an_unknown_end_is_told_to_all(void **state)
{
    static const char *const emails[GUESTS] = {"a@four.example", "b@four.example",
                                               "c@four.example", "d@four.example",
                                               "e@four.example", "f@four.example"};

    NEEDS_DATABASE();
    const int64_t before = users_counted();

    (void)db_lose_after(database.app.db, 4); /* place, users, rows, commit */
    let_meet(emails);
    for (size_t i = 0; i < GUESTS; i++) {
        assert_int_equal(callers[i].result, ERR_DB_UNAVAILABLE);
        assert_true(callers[i].unknown);
    }
    assert_int_equal(database_sent(&database, "commitTransaction"), 1);
    assert_int_equal(users_counted(), before + GUESTS);
    part();
}

static void test_who_waits_too_long_is_told(void **state)
{
    struct user nobody = {.role = ROLE_USER};
    struct sign_up_guest work = {.ctx = &database.ctx, .user = &nobody};
    struct gather_guest first = {.work = &work}, late = {.work = &work};

    NEEDS_DATABASE();
    assert_int_equal(gather_enter(database.app.sign_ups, &first, SOON), GATHER_LEADS);
    assert_int_equal(gather_enter(database.app.sign_ups, &late, 1), GATHER_LATE);
    assert_int_equal(gather_waiting(database.app.sign_ups), 0);
    gather_leave(database.app.sign_ups, &first);
    assert_int_equal(gather_enter(database.app.sign_ups, &first, SOON), GATHER_LEADS);
    gather_leave(database.app.sign_ups, &first);
}

static enum err anybody_may(struct ctx *ctx, enum role role)
{
    (void)ctx;
    return role == ROLE_USER ? ERR_OK : ERR_ROLE;
}

/* One permission is asked for all: only what is the same meets. */
static void test_who_may_meet(void **state)
{
    struct ctx ctx = {.tenant_id = uuid_new(), .who = {.role = ROLE_OWNER}}, other = ctx;
    struct user user = {.role = ROLE_USER}, admin = {.role = ROLE_ADMIN};
    struct sign_up_guest one = {.ctx = &ctx, .user = &user, .permit = anybody_may},
                         two = {.ctx = &other, .user = &user, .permit = anybody_may};

    (void)state;
    assert_true(sign_up_may_meet(&one, &two));
    two.user = &admin;
    assert_false(sign_up_may_meet(&one, &two));
    two.user = &user;
    other.who.user_id = uuid_new();
    assert_false(sign_up_may_meet(&one, &two));
    two.permit = NULL;
    assert_false(sign_up_may_meet(&one, &two));
    one.permit = NULL; /* nobody is asked */
    assert_true(sign_up_may_meet(&one, &two));
    other.tenant_id = uuid_new();
    assert_false(sign_up_may_meet(&one, &two));
    one.permit = two.permit = anybody_may;
    other = ctx;
    other.who.role = ROLE_ADMIN;
    assert_false(sign_up_may_meet(&one, &two));
    other = ctx;
    other.who.credential = CREDENTIAL_KEY;
    assert_false(sign_up_may_meet(&one, &two));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_transaction_makes_all),
        cmocka_unit_test(test_who_is_refused_keeps_nobody_out),
        cmocka_unit_test(test_the_last_places_are_given),
        cmocka_unit_test(test_an_unknown_end_is_told_to_all),
        cmocka_unit_test(test_who_waits_too_long_is_told),
        cmocka_unit_test(test_who_may_meet),
    };

    return cmocka_run_group_tests(tests, begin, end);
}
