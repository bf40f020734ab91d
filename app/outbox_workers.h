/*
 * The threads that deliver the outbox (models/outbox.h): one of them at a time looks for what is
 * due, every second and whenever this instance committed something; it wakes the next one before it
 * sends. No tenant has more than half of them, so that applications of one that answer slowly, or
 * not at all, hold up nobody else's.
 */
#pragma once

#include "app/ctx.h"

struct outbox_workers;

CHECKED enum err outbox_workers_start(struct app *app, struct outbox_workers **ret_workers);
/* Waits for requests under way, which end soon when app->stopping is set. */
void outbox_workers_stop(struct outbox_workers *workers);
/* There is something new. NULL is fine: another process has them. Any thread. */
void outbox_workers_wake(struct outbox_workers *workers);
