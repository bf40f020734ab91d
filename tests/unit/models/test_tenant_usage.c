/* The counters of a tenant: exact in transactions, healed by the recount, never under a sign-up's
 * feet (R004-11, R004-14). */
#include "support/unit.h"

#include "app/db.h"
#include "models/tenant.h"
#include "models/tenant_records.h"
#include "models/tenant_usage.h"
#include "models/user.h"
#include "support/database.h"

static struct database database;
static struct tenant tenant;

static void insert_user(enum role role, bool active)
{
    struct user user = {.username = arena_printf(&database.arena, "u%zu", database.arena.used),
                        .role = (int)role,
                        .is_active = active};

    assert_int_equal(user_insert(&database.ctx, &user), ERR_OK);
}

static int setup(void **state)
{
    (void)state;
    if (!database_begin(&database, NULL))
        return 0;
    tenant = (struct tenant){.id = uuid_new(), .slug = "counted", .plan = PLAN_FREE};
    ctx_set_tenant(&database.ctx, &tenant, &tenant.id);
    insert_user(ROLE_OWNER, true);
    insert_user(ROLE_OWNER, true);
    insert_user(ROLE_OWNER, false);
    insert_user(ROLE_USER, true);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    database_end(&database);
    return 0;
}

static void insert_usage(const struct tenant_usage *usage)
{
    struct tenant_usage wanted = *usage;

    wanted.tenant_id = tenant.id;
    assert_int_equal(db_insert(&database.ctx, &tenant_usage_schema, &wanted), ERR_OK);
}

static void assert_usage(int64_t users, int64_t inactive, int64_t owners)
{
    struct tenant_usage usage = {0};

    assert_int_equal(tenant_usage_get(&database.ctx, &usage), ERR_OK);
    assert_int_equal(usage.users, users);
    assert_int_equal(usage.inactive_users, inactive);
    assert_int_equal(usage.owners, owners);
}

static void test_a_recount_heals(void **state)
{
    (void)state;
    if (database.name[0] == '\0')
        skip();
    insert_usage(&(struct tenant_usage){.users = 40, .inactive_users = 9, .owners = 0});
    assert_int_equal(tenant_recount_users(&database.ctx), ERR_OK);
    assert_usage(4, 1, 2);
    assert_int_equal(tenant_recount_users(&database.ctx), ERR_OK);
    assert_usage(4, 1, 2);
}

static void test_a_recount_waits_for_reservations(void **state)
{
    (void)state;
    if (database.name[0] == '\0')
        skip();
    insert_usage(
        &(struct tenant_usage){.users = 4, .inactive_users = 1, .owners = 2, .has_owners = true});
    assert_int_equal(tenant_reserve_users(&database.ctx, 1), ERR_OK);
    assert_int_equal(tenant_recount_users(&database.ctx), ERR_OK);
    assert_usage(5, 1, 2);
}

static enum err take_owners(struct ctx *ctx, void *arg)
{
    return tenant_usage_change(ctx, &(struct usage_change){.owners = *(const int64_t *)arg});
}

static void test_one_owner_stays(void **state)
{
    int64_t one = -1, two = -2;

    (void)state;
    if (database.name[0] == '\0')
        skip();
    insert_usage(&(struct tenant_usage){.users = 4, .inactive_users = 1}); /* owners not counted */
    assert_int_equal(db_transaction(&database.ctx, take_owners, &two), ERR_LAST_OWNER);
    assert_int_equal(db_transaction(&database.ctx, take_owners, &one), ERR_OK);
    assert_usage(4, 1, 1);
    assert_int_equal(db_transaction(&database.ctx, take_owners, &one), ERR_LAST_OWNER);
    assert_usage(4, 1, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_recount_heals, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_recount_waits_for_reservations, setup, teardown),
        cmocka_unit_test_setup_teardown(test_one_owner_stays, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
