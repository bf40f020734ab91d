/*
 * All users of a tenant as lines (models/user_line.h) by ascending id, or those whom a filter
 * finds, in the order in which it does, part by part: memory is that of one part, whatever the
 * number of users. Who is made while an export runs may be in it or not.
 */
#pragma once

#include "app/buf.h"
#include "app/ctx.h"
#include "app/cursor.h"

struct user_export {
    const char *filter; /* only those whom it finds (models/user_query.h); NULL: all */
    bool with_hashes;
    bool told;                        /* the audit row about it is written */
    struct uuid after;                /* id of the last user written; goes on behind it */
    int64_t count;                    /* written so far */
    char cursor[CURSOR_TEXT_MAX + 1]; /* with a filter: where it goes on */
};

/* Appends the next part, at most a STREAM_PART_MAX; *ret_done: it was the last.
 * Nothing is written before the audit row that says so is durable. */
CHECKED enum err user_export_part(struct ctx *ctx, struct user_export *export, struct buf *out,
                                  bool *ret_done);
