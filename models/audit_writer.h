/*
 * How audit rows get their numbers and reach the disk. Every row has (writer, n): writer is this
 * process's instance, n counts from 1 without gaps, so that a missing row shows. A number whose row
 * was certainly not stored is used again; one whose row may have been stored is filled with a row
 * of the same _id that says "failed", "not_committed": whichever comes first stays. Between models
 * only; any thread.
 */
#pragma once

#include "app/ctx.h"
#include "models/audit.h"

#define AUDIT_MAC_SIZE 32

/* The HMAC-SHA-256 of the row's canonical bytes under the audit key. */
CHECKED enum err audit_mac(struct ctx *ctx, const uint8_t key[32], const struct audit_row *row,
                           uint8_t ret_mac[AUDIT_MAC_SIZE]);

/* Group commit: blocks until the row is durable or is known not to be in time. */
CHECKED enum err audit_writer_commit(struct audit_writer *writer, struct ctx *ctx,
                                     struct audit_row *row);
/* Numbers and seals a row for the ctx's running transaction, whose end settles the number. */
CHECKED enum err audit_writer_number(struct audit_writer *writer, struct ctx *ctx,
                                     struct audit_row *row);
