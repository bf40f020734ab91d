/* Whether this instance works: for people, load balancers and Prometheus. */
#pragma once

#include "app/http.h"

extern const struct schema health_schema;
extern const struct schema ready_schema;
extern const struct schema ping_schema;
extern const struct schema status_schema;

enum err handle_health(struct request *req, struct response *res);
enum err handle_ready(struct request *req, struct response *res);
enum err handle_metrics(struct request *req, struct response *res);
enum err handle_ping(struct request *req, struct response *res);
enum err handle_status(struct request *req, struct response *res);
