/* What a schema must leave to those who register by themselves: whoever cannot give a field that
 * every user must have never becomes a user. */
#include "models/custom_registration.h"

#include <string.h>

#include "models/custom_schema.h"
#include "models/tenant_rules.h"

#define POINTER_BYTES 1024

static enum err refuse(struct ctx *ctx, const char *pointer)
{
    return fail(ctx, ERR_SCHEMA, pointer,
                "%s is required, but users may not see or not write it: nobody could register. "
                "Give it a default, leave it to users, do not require it, or set "
                "self_registration to false.",
                pointer);
}

/* Defaults are filled in for the members of the whole, not for those of objects within. */
static enum err check_object(struct ctx *ctx, const struct shape *shape, const char *pointer)
{
    const bool is_root = pointer[0] == '\0';

    for (size_t i = 0; i < shape->required.count; i++) {
        const struct shape_property *property = shape_find(shape, shape->required.items[i]);
        const char *here;

        if (property == NULL || (is_root && property->shape->standard.size > 0))
            continue;
        here = shape_pointer(ctx, pointer, property->name);
        if (here == NULL)
            return fail_internal(ctx, ERR_MEMORY, "no memory for a pointer");
        if (property->shape->write > SHAPE_USER || property->shape->read > SHAPE_USER)
            return refuse(ctx, here);
        TRY(check_object(ctx, property->shape, here));
    }
    return ERR_OK;
}

enum err custom_registration_check(struct ctx *ctx, const struct shape *shape)
{
    return tenant_allows_registration(ctx) ? check_object(ctx, shape, "") : ERR_OK;
}

enum err custom_registration_open(struct ctx *ctx)
{
    const struct shape *shape = NULL;
    const enum err found = custom_schema_shape(ctx, &shape);
    enum err checked;

    if (found == ERR_NOT_FOUND)
        return ERR_OK;
    TRY(found);
    checked = check_object(ctx, shape, "");
    if (checked != ERR_SCHEMA)
        return checked;

    const char *pointer = ctx->failure.field;

    fail_clear(ctx);
    return fail(ctx, ERR_VALIDATION, "self_registration",
                "Nobody could register: in the schema of custom fields %s is required, but users "
                "may not write it.",
                pointer);
}
