/* Migration 16: background jobs. */
#include "models/migrations/migrations.h"

#include "app/db.h"
#include "models/job_row.h"

/* An older version carries out none; what was begun would stay half done. */
static enum err down(struct ctx *ctx)
{
    AUTO(bson_destroy)
    bson_t *filter = BCON_NEW("due_at", "{", "$gt", BCON_DATE_TIME(0), "}");

    TRY(migrations_refuse_if_any(ctx, &job_any_tenant_schema, filter,
                                 "background jobs are not over: let them end, or cancel them"));
    return db_drop_collection(ctx, &job_schema);
}

const struct migration migration_0016 = {
    .number = 16,
    .name = "jobs",
    .revision = "1",
    .structure = true,
    .down = down,
};
