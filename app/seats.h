/*
 * Requests that sleep until something else has happened hold a connection thread each: a quarter of
 * those threads may. Any thread.
 */
#pragma once

#include <stdbool.h>

struct app;

/* False when all are taken. */
bool seat_take(struct app *app);
void seat_leave(struct app *app);
