/* The schema of custom fields that the sweep's tenant has. */
#include <stdio.h>
#include <stdlib.h>

#include "app/job_workers.h"
#include "app/json.h"
#include "app/keys.h"
#include "models/custom_schema.h"
#include "models/job.h"
#include "models/publication.h"
#include "models/tenant.h"
#include "support/patience.h"
#include "support/torture.h"

void torture_publish_schema(struct ctx *ctx, struct tenant *tenant)
{
    static const char text[] = "{\"properties\":{\"level\":{\"type\":\"integer\",\"default\":1},"
                               "\"badge\":{\"pattern\":\"^[a-z]*$\",\"default\":\"a\"},"
                               "\"since\":{\"format\":\"date\",\"default\":\"2000-01-01\"},"
                               "\"rank\":{\"x-read\":\"admin\",\"default\":1},"
                               "\"iban\":{\"x-encrypt\":true,\"default\":\"x\"}}}";
    const struct key_set *keys = NULL;
    struct custom_trial trial = {.version = -1};
    struct job_workers *workers = NULL;
    struct value schema;
    struct job job = {0};

    ctx_set_tenant(ctx, tenant, &tenant->id);
    trial.schema = &schema;
    if (job_workers_start(ctx->app, job_kinds, &tenant->id, &workers) != ERR_OK ||
        json_parse(ctx, text, sizeof text - 1, &schema) != ERR_OK ||
        custom_schema_put(ctx, &trial) != ERR_OK ||
        job_find_last(ctx, &publication_job, &job) != ERR_OK ||
        job_await(ctx, &publication_job, PATIENCE_MS, &job) != ERR_OK || !job_is_over(&job) ||
        tenant_refresh(ctx) != ERR_OK) {
        fprintf(stderr, "the schema: %s\n", ctx->failure.detail);
        abort();
    }
    job_workers_stop(workers); /* the sweep is alone with its faults */
    *tenant = *ctx->tenant;
    if (tenant->schema_version != 1)
        abort();
    if (keys_get_field(ctx, 0, &keys) != ERR_OK)
        abort();
}
