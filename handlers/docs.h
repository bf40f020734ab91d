/* Documentation for people, generated: the API reference, and each tenant's page with its own ids.
 */
#pragma once

#include "app/http.h"

enum err handle_docs(struct request *req, struct response *res);
enum err handle_docs_tenant(struct request *req, struct response *res);
