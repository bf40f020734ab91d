/* Delivering one row of the outbox; for the threads of app/outbox_workers.h. */
#pragma once

#include "app/ctx.h"
#include "models/outbox.h"

/* Sends a claimed row and settles it: done, given up, or due again. Blocks for a request's time.
 * The ctx has no tenant, before and after. */
CHECKED enum err outbox_deliver(struct ctx *ctx, const struct outbox_row *row);
