/*
 * The threads that carry out background jobs (models/job.h). One of them at a time looks for what
 * is due, every second and whenever this instance put something; no tenant has more than half of
 * them. One more thread renews the leases of what they have under way, so that a step may take as
 * long as it takes. A command makes them for itself when it needs them.
 */
#pragma once

#include "app/ctx.h"

struct job_kind;
struct job_workers;

/* kinds: NULL at the end. only: this tenant's jobs alone, or NULL. */
CHECKED enum err job_workers_start(struct app *app, const struct job_kind *const *kinds,
                                   const struct uuid *only, struct job_workers **ret_workers);
/* Waits for the steps under way; app->stopping tells them to end soon. */
void job_workers_stop(struct job_workers *workers);
/* There is something new. NULL is fine: another process has them. Any thread. */
void job_workers_wake(struct job_workers *workers);
/* Until a job of this instance has ended, or for so long. NULL: for so long. */
void job_workers_await_end(struct job_workers *workers, int64_t ms);
