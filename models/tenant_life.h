/*
 * The life of a tenant after its creation: active, suspended, scheduled for deletion, gone. Each
 * change of state raises the tenant's epoch, revokes what was issued before, and writes its audit
 * row in one transaction, so that every instance refuses the old credentials within a second.
 * After a restore users sign in again; access keys work again. Any thread.
 */
#pragma once

#include "app/ctx.h"
#include "models/tenant.h"

/* By the platform, for a tenant in whatever state; what is so already stays so. ERR_NOT_FOUND,
 * ERR_CONFLICT with a sentence when this state does not lead there. */
CHECKED enum err tenant_suspend(struct ctx *ctx, const struct uuid *id, struct tenant *ret_tenant);
/* Out of suspension, or out of a deletion whose grace has not ended. */
CHECKED enum err tenant_restore(struct ctx *ctx, const struct uuid *id, struct tenant *ret_tenant);
CHECKED enum err tenant_delete(struct ctx *ctx, const struct uuid *id, struct tenant *ret_tenant);

/* The ctx's own tenant, which is active: from now on it answers like an unknown one; at
 * *ret_purge_at (milliseconds, after tenants.deletion_grace_days) it is removed for good unless the
 * platform restores it before. ERR_CONFLICT when it is no longer active. */
CHECKED enum err tenant_schedule_deletion(struct ctx *ctx, int64_t *ret_purge_at);

/* Housekeeping: removes what belongs to tenants whose grace has ended. Every step can be done
 * again, so a killed process's work is finished by the next. Leaves the tenant's document as a
 * tombstone that reserves slug and domains, and the audit rows until their days end. */
CHECKED enum err tenant_purge_due(struct ctx *ctx, int64_t *ret_purged);
