/*
 * Retries of requests that create (api.md §10 "Retries", docs/adr/0015-idempotency-keys.md). A
 * record per key says who executes the request now, or what was answered. The attempt that executes
 * writes its number's state and answer within the transaction that creates (idempotency_commit), so
 * that of all attempts, on any instance, exactly one can ever commit. Answers are sealed under a
 * key that is made of the client's own key and body: who cannot repeat the request cannot read
 * them.
 */
#pragma once

#include "app/ctx.h"
#include "app/schema.h"

extern const struct schema idempotency_schema;

/* What makes two requests the same. */
struct idempotency_request {
    struct uuid tenant_id; /* zero: of the whole installation */
    const char *caller;    /* whose answer it is */
    const char *route;
    const char *key;
    const char *query; /* or NULL */
    struct bytes body;
};

struct idempotency_answer {
    int status;
    const char *content_type; /* or NULL */
    const char *location;     /* or NULL */
    const char *etag;         /* or NULL */
    struct bytes body;
};

struct idempotency;

/*
 * Claims the request for execution, or finds the answer that it was given: then *ret_replay is true
 * and *ret_answer filled. Waits up to 2 s for an attempt that is under way.
 * ERR_IDEMPOTENCY_REUSED: the key stands for another request. ERR_IDEMPOTENCY_BUSY: still under
 * way. ERR_IDEMPOTENCY_LOST: executed, but the answer is not there.
 */
CHECKED enum err idempotency_claim(struct ctx *ctx, const struct idempotency_request *request,
                                   struct idempotency **ret_claimed,
                                   struct idempotency_answer *ret_answer, bool *ret_replay);
/* The id that the object of this key has, whichever attempt makes it. */
const struct uuid *idempotency_object_id(const struct idempotency *claimed);
/* Within the creating transaction: this attempt executes, with this answer (NULL: it is not known
 * yet). ERR_IDEMPOTENCY_BUSY when another attempt has taken over. Afterwards, outside: stores an
 * answer that was not known. */
CHECKED enum err idempotency_commit(struct ctx *ctx, struct idempotency *claimed,
                                    const struct idempotency_answer *answer);
/* Nothing was created. Refused: the key is free again, also for another request. Failed: the next
 * try of this request need not wait. What ctx recorded of the failure stays. */
void idempotency_release(struct ctx *ctx, const struct idempotency *claimed, bool refused);
