/* The structure of user collections. */
#include "models/user_place.h"

#include "app/bson_auto.h"
#include "models/custom_schema.h"
#include "models/custom_validator.h"
#include "models/publication.h"
#include "models/user.h"

enum err user_place_is_moving(struct ctx *ctx, bool *ret_moving)
{
    struct job job = {0};
    const enum err found = publication_find(ctx, &job);

    *ret_moving = found == ERR_OK;
    return found == ERR_NOT_FOUND ? ERR_OK : found;
}

enum err user_place_find(struct ctx *ctx, struct user_place *ret_place)
{
    const struct shape *shape = NULL;
    const enum err found = custom_schema_shape(ctx, &shape);
    const struct custom_validator custom = {.shape = shape};
    const struct custom_validator *const validators[] = {&custom};
    struct list indexes = {0};

    *ret_place = (struct user_place){.is_partial = found == ERR_INTERNAL};
    if (found != ERR_NOT_FOUND && found != ERR_INTERNAL)
        TRY(found);
    fail_clear(ctx);
    TRY(custom_index_list(ctx, shape, &indexes));
    TRY(custom_index_make(ctx, &indexes, true, &ret_place->indexes));
    ret_place->validator = custom_validator_join(ctx, validators, shape != NULL ? 1 : 0);
    return ret_place->validator != NULL
               ? ERR_OK
               : fail_internal(ctx, ERR_MEMORY, "no memory for a validator");
}

void user_place_clear(struct user_place *place)
{
    if (place->validator != NULL)
        bson_destroy(place->validator);
    place->validator = NULL;
}

enum err user_place_ensure(struct ctx *ctx, const struct user_place *place)
{
    bool is_moving = false;

    TRY(user_place_is_moving(ctx, &is_moving));
    if (is_moving || place->is_partial)
        return db_create_indexes(ctx, &user_schema, place->indexes.items, place->indexes.count);
    TRY(db_ensure_collection(ctx, &user_schema, place->indexes.items, place->indexes.count));
    return db_set_validator(ctx, &user_schema, place->validator);
}
