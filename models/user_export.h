/*
 * All users of a tenant as lines (models/user_line.h), part by part by ascending id: memory is that
 * of one part, whatever the number of users. Who is made while an export runs may be in it or not.
 */
#pragma once

#include "app/buf.h"
#include "app/ctx.h"

struct user_export {
    bool with_hashes;
    bool told;         /* the audit row about it is written */
    struct uuid after; /* id of the last user written; goes on behind it */
    int64_t count;     /* written so far */
};

/* Appends the next part, at most half a STREAM_PART_MAX and one line; *ret_done: it was the last.
 * Nothing is written before the audit row that says so is durable. */
CHECKED enum err user_export_part(struct ctx *ctx, struct user_export *export, struct buf *out,
                                  bool *ret_done);
