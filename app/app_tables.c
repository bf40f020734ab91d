/* The check of the constant tables at start: a mistake there is a mistake of the program. */
#include "app/app.h"

#include "app/keys.h"
#include "app/lease.h"
#include "app/migrate.h"
#include "app/revocation.h"
#include "app/routes.h"
#include "models/access_key.h"
#include "models/access_key_use.h"
#include "models/audit.h"
#include "models/custom_schema.h"
#include "models/grant.h"
#include "models/idempotency.h"
#include "models/job.h"
#include "models/login_attempt.h"
#include "models/oauth_client.h"
#include "models/outbox.h"
#include "models/rate_limit.h"
#include "models/session.h"
#include "models/tenant.h"
#include "models/user.h"
#include "models/user_removal.h"

static const struct schema *const stored_schemas[] = {
    &config_schema,        &tenant_schema,         &tenant_settings_schema, &tenant_usage_schema,
    &tenant_domain_schema, &user_schema,           &grant_schema,           &session_schema,
    &access_key_schema,    &access_key_use_schema, &audit_schema,           &login_attempt_schema,
    &revocation_schema,    &signing_key_schema,    &data_key_schema,        &lease_schema,
    &migration_schema,     &idempotency_schema,    &rate_limit_schema,      &user_removal_schema,
    &outbox_schema,        &oauth_client_schema,   &custom_schema_schema,   &job_schema,
};

const char *app_check_tables(void)
{
    const char *mistake = routes_check();

    for (size_t i = 0; mistake == NULL && i < sizeof stored_schemas / sizeof stored_schemas[0]; i++)
        mistake = schema_check(stored_schemas[i]);
    for (size_t i = 0; mistake == NULL && i < route_count; i++) {
        if (routes[i].in != NULL)
            mistake = schema_check(routes[i].in);
        if (mistake == NULL && routes[i].out != NULL)
            mistake = schema_check(routes[i].out);
    }
    return mistake;
}
