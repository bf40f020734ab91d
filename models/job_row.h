/* Between job.c and job_claim.c. */
#pragma once

#include "models/job.h"

#define JOB_KEPT_MS (INT64_C(7) * 86400000) /* after its end */

/* The same rows, whosever they are. */
extern const struct schema job_any_tenant_schema;
