/* What background work there is. */
#include "models/job.h"

const struct job_kind *const job_kinds[] = {
    NULL,
};
