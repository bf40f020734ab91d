/* Custom fields that somebody who writes cannot see: they are neither named, nor changed, nor lost.
 * For models/custom_fields.c and publication.c. Documents are in JSON form. Any thread. */
#pragma once

#include "app/ctx.h"
#include "app/shape.h"

struct custom_veil {
    const struct shape *shape;
    enum shape_party party; /* who writes */
};

/* Whether the party is kept from anything at all. */
bool custom_hidden_any(const struct custom_veil *veil);
/* The first hidden field that the patch (also with null) or document names: its pointer, or NULL.
 * So is an object with hidden fields in it when something else takes its place. */
CHECKED enum err custom_hidden_in_patch(struct ctx *ctx, const struct custom_veil *veil,
                                        const struct value *patch, const char **ret_pointer);
CHECKED enum err custom_hidden_in(struct ctx *ctx, const struct custom_veil *veil,
                                  const struct bytes *document, const char **ret_pointer);
/* *document with the hidden fields of before, which has them all. */
CHECKED enum err custom_hidden_keep(struct ctx *ctx, const struct custom_veil *veil,
                                    const struct bytes *before, struct bytes *document);
/* Failures of hidden fields keep their pointers and no more; a pointer begins with a prefix of that
 * length. */
void custom_hidden_untold(const struct custom_veil *veil, size_t prefix,
                          struct shape_failures *failures);
