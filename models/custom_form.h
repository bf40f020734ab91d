/* What models/custom_fields.c takes of custom_form.c; everybody else needs custom_fields.h alone.
 * Any thread. */
#pragma once

#include "models/custom_fields.h"

/* A document in JSON form with its moments as they are shown once they are stored: what a schema
 * is held against. */
CHECKED enum err custom_fields_canonical(struct ctx *ctx, const struct custom_form *form,
                                         const struct bytes *fields, struct bytes *ret_fields);
