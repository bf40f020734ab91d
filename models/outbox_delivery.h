/* Delivering one row of the outbox; for the threads of app/outbox_workers.h. */
#pragma once

#include "app/ctx.h"
#include "models/outbox.h"

/* Sends a claimed row and settles it: done, given up, or due again. Blocks for a request's time.
 * The ctx has no tenant, before and after. *ret_wait_ms: until it is due again, 0 when it is
 * not. */
CHECKED enum err outbox_deliver(struct ctx *ctx, const struct outbox_row *row,
                                int64_t *ret_wait_ms);
