/* One simple field of a schema, written without JSON: what its form says becomes part of the schema
 * that is being edited. */
#pragma once

#include "app/ctx.h"
#include "app/value.h"
#include "handlers/console_forms.h"
#include "handlers/pages_inputs.h"

/* The form of the field as it stands in the schema; fields->name says which. Nothing is in the form
 * when the schema has no such field. */
CHECKED enum err console_field_read(struct ctx *ctx, const struct value *schema,
                                    struct fields_form *form);
/* The schema with the field of the form, new or changed: keywords that the form does not have
 * stay. */
CHECKED enum err console_field_put(struct ctx *ctx, const struct fields_form *form,
                                   struct value *schema);
/* ERR_VALIDATION when the schema has no such field. */
CHECKED enum err console_field_find(struct ctx *ctx, const char *name, const struct value *schema);
/* The schema without the field. */
CHECKED enum err console_field_remove(struct ctx *ctx, const char *name, struct value *schema);

extern const struct input_choice console_field_kinds[], console_field_indexes[],
    console_field_parties[];
