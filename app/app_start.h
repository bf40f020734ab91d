/*
 * The steps of a start that depend on the database: waiting for it, and seeing that its structure
 * is the one that this program needs. Main thread only.
 */
#pragma once

#include "app/app.h"

/* Until the database answers, database.start_timeout_ms are over (ERR_DB_UNAVAILABLE) or SIGTERM or
 * SIGINT is pending (ERR_STOPPING). ret_message is malloc'd. */
CHECKED enum err app_connect(struct app *app, char **ret_message);
/* Applies pending migrations when database.migrate_on_start, else refuses to start with them. */
CHECKED enum err app_check_structure(struct app *app, char **ret_message);
/* "what: why", malloc'd. */
void app_explain(const struct ctx *ctx, enum err err, const char *what, char **ret_message);
