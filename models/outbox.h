/*
 * The outbox: what is to be told to somebody else, written in the transaction that makes it true,
 * and delivered later by any instance (docs/adr/0018-outbox.md). A row is claimed for a while by
 * one update of the database's clock; whoever dies with it loses nothing but that while. Delivery
 * is at least once: receivers tell a repetition by the id. Any thread.
 */
#pragma once

#include "app/ctx.h"
#include "app/schema.h"

enum outbox_kind { OUTBOX_UNSET = 0, OUTBOX_LOGOUT /* models/logout_token.h */ };

struct outbox_row {
    struct uuid id;
    struct uuid tenant_id;
    int kind;           /* enum outbox_kind */
    const char *target; /* who is told: the id of an OAuth client */
    struct uuid user_id;
    struct uuid session_id; /* zero: all of the user's */
    int64_t attempts;       /* begun, this one counted */
    const char *last_error;
    int64_t due_at; /* of the next attempt, or when the claim ends */
    int64_t created_at;
    int64_t expires_at; /* TTL: far behind the last attempt */
};

/* Global: delivery asks it for all tenants at once. */
extern const struct schema outbox_schema;

/* list of struct outbox_row with kind, target, user and session; in the ctx's transaction. After
 * the commit this instance's workers begin at once. */
CHECKED enum err outbox_put(struct ctx *ctx, const struct list *rows);

/* --- for models/outbox_delivery.c --- */

/* The row that is due longest, of none of these tenants, for longer than a request may take.
 * ERR_NOT_FOUND. */
CHECKED enum err outbox_claim(struct ctx *ctx, const struct uuid *busy, size_t busy_count,
                              struct outbox_row *ret_row);
/* It is over, with its audit row, in one transaction. ERR_NOT_FOUND when the claim had ended and
 * somebody else has it. */
struct outbox_end {
    const struct outbox_row *row;
    const char *action, *status, *reason;
};
CHECKED enum err outbox_finish(struct ctx *ctx, const struct outbox_end *end);
/* Once more after so long. ERR_NOT_FOUND as above. */
CHECKED enum err outbox_postpone(struct ctx *ctx, const struct outbox_row *row, int64_t after_ms,
                                 const char *why);
