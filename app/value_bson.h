/*
 * A tree of app/value.h as BSON and back, for trees that we keep as they came in: schemas of custom
 * fields. What users store goes through app/document.h, which has rules. Any thread.
 */
#pragma once

#include "app/schema.h"
#include "app/value.h"

/* object as a document in ctx->arena: integers as int64, numbers as double. No name holds a NUL,
 * and the depth is that of the reader of JSON. */
CHECKED enum err value_to_bson(struct ctx *ctx, const struct value *object,
                               struct bytes *ret_document);
/* Its opposite. Names and strings are borrowed from the document. ERR_INTERNAL for BSON that
 * value_to_bson does not make. */
CHECKED enum err value_from_bson(struct ctx *ctx, const struct bytes *document,
                                 struct value *ret_object);
