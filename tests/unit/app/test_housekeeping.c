/* The heartbeat: often enough to prove freshness, from one instance, handed over when that ends
 * (OP-8). */
#include "app/housekeeping.h"

#include <unistd.h>

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

static void start_watching(void)
{
    const char *reason = NULL;

    assert_int_equal(watch_start(&database.app, &database.app.watch, &reason), ERR_OK);
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

static void test_nobody_beats(void **state)
{
    NEEDS_DATABASE();
    start_watching();
    assert_false(watch_is_fresh(database.app.watch));
    start_beating();
    assert_true(watch_lag_ms(database.app.watch) <= WATCH_STALE_MS);

    const int64_t beats = lease_of("heartbeat").fence;

    /* Often enough that one or two that are late do no harm. */
    WAIT(lease_of("heartbeat").fence >= beats + 4, 1800);
    housekeeping_stop(database.app.housekeeping);
    database.app.housekeeping = NULL;
    WAIT(!watch_is_fresh(database.app.watch), 2000);
}

/* One instance beats for all; when it ends, it says so, and another one does. */
static void test_the_beat_is_handed_over(void **state)
{
    static struct app other;
    struct housekeeping *second = NULL;

    NEEDS_DATABASE();
    start_watching();
    start_beating();
    housekeeping_stop(database.app.housekeeping);
    database.app.housekeeping = NULL;
    assert_true(lease_of("housekeeping").expires_at <= clock_now_ms());
    start_beating();
    memcpy(&other, &database.app, sizeof other);
    other.instance_id = uuid_new();
    assert_int_equal(housekeeping_start(&other, &second), ERR_OK);
    housekeeping_stop(database.app.housekeeping);
    database.app.housekeeping = NULL;

    const int64_t start = clock_monotonic_ms();
    struct uuid holder = {0};

    while (!uuid_equal(&holder, &other.instance_id) && clock_monotonic_ms() - start < 5000) {
        usleep(10000);
        holder = lease_of("housekeeping").holder;
    }

    const int64_t beats = lease_of("heartbeat").fence;

    while (lease_of("heartbeat").fence <= beats && clock_monotonic_ms() - start < 8000)
        usleep(10000);

    const bool goes_on = lease_of("heartbeat").fence > beats;

    housekeeping_stop(second);
    assert_true(uuid_equal(&holder, &other.instance_id));
    assert_true(goes_on);
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
