/* What background work there is. */
#include "models/import.h"
#include "models/job.h"
#include "models/publication.h"

const struct job_kind *const job_kinds[] = {
    &import_job_kind,
    &publication_job,
    &publication_trial_job,
    NULL,
};
