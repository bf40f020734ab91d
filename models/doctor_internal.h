/* Between the parts of the doctor: one round through the database, and what each part looks at. */
#pragma once

#include "models/doctor.h"

#define SLUG_SIZE          64
#define DOCTOR_ARENA_LIMIT ((size_t)8 * 1024 * 1024)

struct round {
    const struct doctor *doctor;
    int64_t open;
    int64_t looked_at;
    char after[SLUG_SIZE]; /* the last slug of the page before */
};

void doctor_found(struct round *round, const struct finding *finding);
void doctor_progress(struct round *round, const char *what);

/* Central collections, the ctx's tenant's user collection, user collections without a tenant
 * (doctor_structure.c). */
CHECKED enum err doctor_check_central(struct ctx *ctx, struct round *round);
CHECKED enum err doctor_check_users(struct ctx *ctx, struct round *round);
/* The view of its users, where it has one. */
CHECKED enum err doctor_check_profiles(struct ctx *ctx, struct round *round);
CHECKED enum err doctor_check_orphans(struct ctx *ctx, struct round *round);
/* What its background jobs wait for (doctor_jobs.c): before its collection, which they may change.
 */
CHECKED enum err doctor_check_jobs(struct ctx *ctx, struct round *round);
/* What counts against the plan of the ctx's tenant (doctor_counters.c). */
CHECKED enum err doctor_check_counters(struct ctx *ctx, struct round *round);
