/* Writing users out. */
#include "models/user_export.h"

#include <stdio.h>

#include "app/stream.h"
#include "models/audit.h"
#include "models/user_line.h"
#include "models/user_query.h"

/* Custom fields of 16 KiB of JSON are at most 112 KiB of BSON: 50 fit a part's memory. */
#define PART_USERS 50
#define PART_BYTES (STREAM_PART_MAX / 2)
/* A page is not cut: in JSON a byte is six at most ("<"). */
#define PAGE_USERS 40
#define PAGE_BYTES (STREAM_PART_MAX / 7)

static enum err tell(struct ctx *ctx, struct user_export *export)
{
    const struct uuid *user = uuid_is_zero(&ctx->who.user_id) ? NULL : &ctx->who.user_id;

    if (export->told)
        return ERR_OK;
    export->told = true;
    return audit_write(ctx, "users.exported", "success", user,
                       export->with_hashes ? "with_hashes" : NULL);
}

static void write_line(const struct user_export *export, const struct user *user, struct buf *out)
{
    const struct user_line line = user_line_of(user, export->with_hashes);

    schema_to_json(&user_line_schema, &line, out);
    buf_putc(out, '\n');
}

/* All of them, by their ids. */
static enum err take_all(struct ctx *ctx, struct user_export *export, struct buf *out,
                         bool *ret_done)
{
    struct list users = {0};
    size_t i = 0;

    TRY(user_list(ctx, &export->after, PART_USERS, &users));
    TRY(tell(ctx, export));

    const struct user *user = users.items;

    for (; i < users.count && out->size < PART_BYTES; i++)
        write_line(export, &user[i], out);
    if (i > 0)
        export->after = user[i - 1].id;
    export->count += (int64_t)i;
    *ret_done = i == users.count && users.count < PART_USERS;
    return ERR_OK;
}

/* Those that a filter finds, a page at a time. */
static enum err take_found(struct ctx *ctx, struct user_export *export, struct buf *out,
                           bool *ret_done)
{
    const struct user_query query = {.filter = export->filter,
                                     .cursor = export->cursor[0] != '\0' ? export->cursor : NULL,
                                     .limit = PAGE_USERS,
                                     .most_bytes = PAGE_BYTES,
                                     .patient = true};
    struct user_page page = {0};

    TRY(user_query_run(ctx, &query, &page));
    TRY(tell(ctx, export));

    const struct user *user = page.users.items;

    for (size_t i = 0; i < page.users.count; i++)
        write_line(export, &user[i], out);
    export->count += (int64_t)page.users.count;
    *ret_done = page.next == NULL;
    if (page.next != NULL)
        (void)snprintf(export->cursor, sizeof export->cursor, "%s", page.next);
    return ERR_OK;
}

enum err user_export_part(struct ctx *ctx, struct user_export *export, struct buf *out,
                          bool *ret_done)
{
    if (export->filter != NULL)
        TRY(take_found(ctx, export, out, ret_done));
    else
        TRY(take_all(ctx, export, out, ret_done));
    return buf_ok(out) ? ERR_OK : fail_internal(ctx, ERR_MEMORY, "a part of an export");
}
