/* How many connection threads sleep. */
#include "app/seats.h"

#include "app/app.h"

bool seat_take(struct app *app)
{
    const int64_t seats = app_config(app)->server.threads / 4;

    if (atomic_fetch_add(&app->waiting, 1) < (seats > 0 ? seats : 1))
        return true;
    (void)atomic_fetch_sub(&app->waiting, 1);
    return false;
}

void seat_leave(struct app *app)
{
    (void)atomic_fetch_sub(&app->waiting, 1);
}
