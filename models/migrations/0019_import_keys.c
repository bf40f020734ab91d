/* Migration 19: whom dry runs of imports would have made. */
#include "models/migrations/migrations.h"

#include "app/db.h"
#include "models/import_internal.h"

static enum err down(struct ctx *ctx)
{
    return db_drop_collection(ctx, &import_key_schema);
}

const struct migration migration_0019 = {
    .number = 19,
    .name = "import_keys",
    .revision = "1",
    .structure = true,
    .down = down,
};
