/* The console's page of the schema of custom fields, in each of its states. */
#pragma once

#include "app/http.h"
#include "handlers/console_forms.h"
#include "models/custom_schema.h"
#include "models/user.h"

struct fields_page {
    const struct user *me;
    const char *draft;                /* what stands in the editor */
    struct fields_form field;         /* what stands in the form of one field */
    const struct custom_trial *trial; /* it was held against the users; or NULL */
    const char *done;                 /* what came of the step; or NULL */
    enum err code;                    /* why it was refused */
};

CHECKED enum err console_fields_respond(struct request *req, struct response *res,
                                        const struct fields_page *page);
