/* What background work there is. */
#include "models/import.h"
#include "models/job.h"

const struct job_kind *const job_kinds[] = {
    &import_job_kind,
    NULL,
};
