/* Migration 20: administrators, owners and deactivated users are found among any number. */
#include "models/migrations/migrations.h"

const struct migration migration_0020 = {
    .number = 20,
    .name = "users_by_standing",
    .revision = "1",
    .up = migrations_add_user_indexes,
    .down = migrations_leave_user_indexes,
};
