/*
 * The audit log (R003-11). Two ways to commit a row before the answer leaves: audit_write, a group
 * commit shared by all requests in flight (logins, refreshes, failures), and audit_insert inside
 * the transaction of the change it tells of. If neither can, the action fails. Rows carry (writer,
 * n), dense per process, and an HMAC over their canonical bytes.
 */
#pragma once

#include "app/ctx.h"
#include "app/schema.h"

struct audit_row {
    struct uuid audit_id;
    struct uuid tenant_id;
    struct uuid user_id;   /* zero = unknown */
    struct uuid actor_id;  /* the user who did it to user_id; zero = the same, or nobody known */
    struct uuid key_id;    /* access key used, or zero */
    const char *client_id; /* OAuth client that acted or was acted upon, or NULL */
    const char *action; /* signup login logout token.refresh token.reuse user.password_changed … */
    const char *status; /* success failed */
    int64_t count;      /* how many refusals this row stands for, when has_count */
    bool has_count;
    const char *reason; /* machine word for failures: bad_password unknown_user locked …, or NULL */
    const char *ip_address;
    const char *user_agent;
    const char *request_id;
    int64_t timestamp;
    struct uuid writer; /* instance */
    int64_t n;
    struct bytes mac;
    int64_t purge_at; /* by the plan's audit days */
};

extern const struct schema audit_schema;

struct audit_writer;

CHECKED enum err audit_writer_start(struct app *app, struct audit_writer **ret_writer);
/* Writes what is queued, then ends the thread. */
void audit_writer_stop(struct audit_writer *writer);

/* Blocks until the row is durable. user_id, whom it is about, may be NULL. Tenant, actor, ip, agent
 * and key come from ctx. */
CHECKED enum err audit_write(struct ctx *ctx, const char *action, const char *status,
                             const struct uuid *user_id, const char *reason);
/* The same row within ctx's running transaction. */
CHECKED enum err audit_insert(struct ctx *ctx, const char *action, const char *status,
                              const struct uuid *user_id, const char *reason);
/* Rows of several pieces of work that one transaction does: each prepared by the ctx of its own,
 * then inserted together within ctx's, numbered and sealed. */
CHECKED enum err audit_prepare(struct ctx *ctx, const char *action, const char *status,
                               const struct uuid *user_id, struct audit_row *ret_row);
CHECKED enum err audit_insert_prepared(struct ctx *ctx, struct audit_row *rows, size_t count);
/* One row for count users within ctx's running transaction, such as those of a part of an import.
 */
CHECKED enum err audit_insert_counted(struct ctx *ctx, const char *action, int64_t count,
                                      const char *reason);

extern const char *const audit_statuses[]; /* all there are, NULL at the end */

/* One row for count refusals (audit_refusals.h): status "failed". */
CHECKED enum err audit_write_refusals(struct ctx *ctx, const char *action, const char *reason,
                                      const struct uuid *user_id, int64_t count);

struct audit_filter {
    const char *action, *status;
    struct uuid user_id;
    int64_t from, to;  /* ms since 1970, from included and to not; 0 = no bound */
    struct uuid after; /* audit_id of the last row seen; zero = from the beginning */
    bool oldest_first; /* else newest first */
    int64_t limit;
};
/* list of struct audit_row. */
CHECKED enum err audit_list(struct ctx *ctx, const struct audit_filter *filter,
                            struct list *ret_rows);
