/* The structure of user collections. */
#include "models/user_place.h"

#include "models/custom_schema.h"

enum err user_place_indexes(struct ctx *ctx, struct db_indexes *ret_indexes)
{
    const struct shape *shape = NULL;
    const enum err found = custom_schema_shape(ctx, &shape);
    struct list custom = {0};

    if (found == ERR_DB_UNAVAILABLE || found == ERR_MEMORY)
        return found;
    fail_clear(ctx);
    TRY(custom_index_list(ctx, shape, &custom));
    return custom_index_make(ctx, &custom, true, ret_indexes);
}
