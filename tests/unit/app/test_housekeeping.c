/* The heartbeat: often enough to prove freshness, from one instance, handed over when that ends
 * (OP-8). */
#include "app/housekeeping.h"

#include "app/clock.h"
#include "app/db.h"
#include "app/lease.h"
#include "app/revocation.h"
#include "app/watch.h"
#include "support/database.h"
#include "support/unit.h"

static struct database database;

static int setup(void **state)
{
    (void)state;
    if (database_begin(&database, NULL))
        database.app.revocations = revocations_new(64);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    if (database.seen == NULL)
        return 0;
    housekeeping_stop(database.app.housekeeping);
    watch_stop(database.app.watch);
    revocations_free(database.app.revocations);
    database_end(&database);
    return 0;
}

static void start_beating(void)
{
    assert_int_equal(housekeeping_start(&database.app, &database.app.housekeeping), ERR_OK);
    WAIT(watch_is_fresh(database.app.watch), 10000);
}

static struct lease lease_of(const char *name)
{
    bson_t *filter = BCON_NEW("_id", BCON_UTF8(name));
    struct lease lease = {0};
    const enum err found = db_find_one(&database.ctx, &lease_schema, filter, &lease);

    assert_true(found == ERR_OK || found == ERR_NOT_FOUND);
    bson_destroy(filter);
    return lease;
}

static bool is_held_by(const struct uuid *instance_id)
{
    const struct lease lease = lease_of("housekeeping");

    return uuid_equal(&lease.holder, instance_id);
}

static void test_nobody_beats(void **state)
{
    NEEDS_DATABASE();
    database_watch(&database.app);
    assert_false(watch_is_fresh(database.app.watch));
    start_beating();
    WAIT(watch_lag_ms(database.app.watch) <= WATCH_STALE_MS, 1000);

    const int64_t beats = lease_of("heartbeat").fence;

    /* Often enough that one or two that are late do no harm. */
    WAIT(lease_of("heartbeat").fence >= beats + 4, 1800);
    housekeeping_stop(database.app.housekeeping);
    database.app.housekeeping = NULL;
    WAIT(!watch_is_fresh(database.app.watch), 2000);
}

/* Right after an instance has ended, long before its lease would have; false, too, when the machine
 * held it up until it gave up saying so. */
static bool ends_and_says_so(void)
{
    start_beating();
    housekeeping_stop(database.app.housekeeping);
    database.app.housekeeping = NULL;
    return lease_of("housekeeping").expires_at <= clock_now_ms();
}

/* One instance beats for all; when it ends, it says so, and another one does. */
static void test_the_beat_is_handed_over(void **state)
{
    static struct app other;
    struct housekeeping *second = NULL;
    bool said_so = false;

    NEEDS_DATABASE();
    database_watch(&database.app);
    for (int i = 0; i < 5 && !said_so; i++)
        said_so = ends_and_says_so();
    assert_true(said_so);
    start_beating();
    memcpy(&other, &database.app, sizeof other);
    other.instance_id = uuid_new();
    assert_int_equal(housekeeping_start(&other, &second), ERR_OK);
    housekeeping_stop(database.app.housekeeping);
    database.app.housekeeping = NULL;

    WAIT(is_held_by(&other.instance_id), 1500);
    const int64_t beats = lease_of("heartbeat").fence;
    WAIT(lease_of("heartbeat").fence > beats, 500);
    housekeeping_stop(second);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_nobody_beats),
        CASE(test_the_beat_is_handed_over),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
