/* Writing users out. */
#include "models/user_export.h"

#include "app/stream.h"
#include "models/audit.h"
#include "models/user_line.h"

/* Custom fields of 16 KiB of JSON are at most 112 KiB of BSON: 50 fit a part's memory. */
#define PART_USERS 50
#define PART_BYTES (STREAM_PART_MAX / 2)

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

enum err user_export_part(struct ctx *ctx, struct user_export *export, struct buf *out,
                          bool *ret_done)
{
    struct list users = {0};
    size_t i = 0;

    TRY(tell(ctx, export));
    TRY(user_list(ctx, &export->after, PART_USERS, &users));

    const struct user *user = users.items;

    for (; i < users.count && out->size < PART_BYTES; i++)
        write_line(export, &user[i], out);
    if (i > 0)
        export->after = user[i - 1].id;
    export->count += (int64_t)i;
    *ret_done = i == users.count && users.count < PART_USERS;
    return buf_ok(out) ? ERR_OK : fail_internal(ctx, ERR_MEMORY, "a part of an export");
}
