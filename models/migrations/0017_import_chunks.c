/* Migration 17: the lines of imports that are not over. */
#include "models/migrations/migrations.h"

#include "app/db.h"
#include "models/import_internal.h"

/* Without its job nobody reads them. */
static enum err down(struct ctx *ctx)
{
    return db_drop_collection(ctx, &import_chunk_schema);
}

const struct migration migration_0017 = {
    .number = 17,
    .name = "import_chunks",
    .revision = "1",
    .structure = true,
    .down = down,
};
