/* All migrations by number. */
#include "models/migrations/migrations.h"

const struct migration *const migrations[] = {
    &migration_0001, &migration_0002, &migration_0003, &migration_0004, &migration_0005,
    &migration_0006, &migration_0007, &migration_0008, &migration_0009, &migration_0010,
    &migration_0011, &migration_0012, &migration_0013, &migration_0014, &migration_0015,
    &migration_0016, &migration_0017, &migration_0018, &migration_0019, &migration_0020,
};
const size_t migration_count = sizeof migrations / sizeof migrations[0];
