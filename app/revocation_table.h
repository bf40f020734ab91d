/*
 * The memory behind revocation.c: a bounded table from (tenant, kind, value) to the least epoch
 * that is honoured. Made once; nothing is allocated later. When a tenant takes more than its share,
 * or the table is full, it says "ask" for as long as what did not fit matters. Any thread.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "app/revocation.h"

struct revocation_key {
    uint8_t tenant[16];
    uint8_t kind;
    uint8_t value[16];
};

/* What may have been revoked of a subject, and the epoch it has (-1: any entry ends it). */
struct revocation_question {
    struct revocation_key key;
    int64_t epoch;
};

enum revocation_answer { REVOCATION_GOOD = 1, REVOCATION_REVOKED, REVOCATION_ASK };

void revocation_table_put(struct revocations *table, const struct revocation_key *key,
                          int64_t min_epoch, int64_t expires_at);
/* All questions are about one tenant. */
enum revocation_answer revocation_table_ask(struct revocations *table,
                                            const struct revocation_question *questions,
                                            size_t count);
