/*
 * Registration by oneself and the schema of custom fields: a schema that would make it impossible
 * is not published while registration is open, and registration is not opened under one. Any
 * thread.
 */
#pragma once

#include "app/ctx.h"
#include "app/shape.h"

/* For a schema that shall come in force. ERR_SCHEMA with the pointer of the field that whoever
 * registers could not give. */
CHECKED enum err custom_registration_check(struct ctx *ctx, const struct shape *shape);
/* For registration that shall be opened under the schema in force. ERR_VALIDATION. */
CHECKED enum err custom_registration_open(struct ctx *ctx);
