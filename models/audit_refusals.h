/*
 * Refusals in the audit log: what anybody can cause at will must not become a way to fill it. Of
 * refusals that are alike (tenant, user, action, reason) the first of a minute is a row at once;
 * the others are counted, and one row tells their number when the minute is over. A refusal stays
 * one when no row can be written: its count waits in memory for the database. Any thread.
 */
#pragma once

#include "app/ctx.h"

struct audit_refusals;

CHECKED enum err audit_refusals_start(struct app *app, struct audit_refusals **ret_refusals);
/* Writes what was counted, then ends the thread; before audit_writer_stop. */
void audit_refusals_stop(struct audit_refusals *refusals);

/* Of the ctx's tenant; without one there is no log to write to. action and reason are constants;
 * user_id may be NULL. Leaves ctx->failure as it was. */
void audit_refusal(struct ctx *ctx, const char *action, const char *reason,
                   const struct uuid *user_id);
