/*
 * Page cursors: where a list goes on. Sealed under a key of the master key's, so that clients can
 * neither read what stands in one (perhaps another user's address) nor make one. A cursor opens
 * only for its list, its tenant (or none) and the parameters that chose and ordered the rows; any
 * instance reads what another made. Any thread.
 */
#pragma once

#include <stddef.h>

#include "app/ctx.h"

#define CURSOR_VALUES_MAX 4
#define CURSOR_TEXT_MAX   4096

struct cursor_list {
    const char *name;              /* "audit", "users", "tenants" */
    const char *const *parameters; /* all that choose or order rows, as they came; NULL = absent */
    size_t parameter_count;
};

/* The sort values of the last row shown, none of them NULL; together at most 3,000 bytes. */
CHECKED enum err cursor_make(struct ctx *ctx, const struct cursor_list *list,
                             const char *const *values, size_t count, const char **ret_cursor);
/* The same values in the arena; ERR_BAD_CURSOR unless it was made for this list with as many. */
CHECKED enum err cursor_read(struct ctx *ctx, const struct cursor_list *list, const char *cursor,
                             const char **ret_values, size_t count);
