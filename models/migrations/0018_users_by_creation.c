/* Migration 18: users are listed and found by when they were made. */
#include "models/migrations/migrations.h"

const struct migration migration_0018 = {
    .number = 18,
    .name = "users_by_creation",
    .revision = "1",
    .up = migrations_add_user_indexes,
    .down = migrations_leave_user_indexes,
};
