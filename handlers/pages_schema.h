/*
 * Forms made from a tenant's schema of custom fields: registration, the profile, the console's page
 * of a user. A field has the input that its schema calls for, nested objects are groups, and what
 * has no sensible input is asked for as JSON where a user must have it, else left out. The models
 * alone decide what may be stored; what they refuse stands beside its input (schema_form_show).
 *
 * Inputs are named by the pointer of their field: "custom_fields/address/city".
 */
#pragma once

#include "app/http.h"
#include "app/shape.h"
#include "app/template.h"

struct form_field;

struct schema_form {
    /* Given: */
    enum shape_party party;     /* who fills it in */
    const struct bytes *stored; /* what the user has; NULL = a new one: all that the party may write
                                   is asked, filled with its default */
    const char *id;             /* begins the ids of the inputs */
    bool is_own;                /* about oneself: browsers may offer what they know */
    bool is_refused;            /* it was just sent: shows what was typed, and what was wrong */
    enum err code;              /* why */
    /* Made by schema_form_begin: */
    const struct shape *shape; /* NULL: the tenant has no schema, and the form no input */
    const char *state;         /* stands for the schema and what the form shows by it; a form sends
                                  it back as "fields_state" */
    const struct form_field *fields;
    size_t count;
};

/* Whether the form has an input for that member of the custom fields. */
bool schema_form_has(const struct schema_form *form, const char *key);
/* What people read of a field: its title, else its name in words. shape may be NULL. */
const char *schema_form_label(struct ctx *ctx, const struct shape *shape, const char *key);
CHECKED enum err schema_form_begin(struct request *req, struct schema_form *form);
/* The rows of templates/schema-inputs.html. */
#define SCHEMA_INPUTS "schema-inputs"
CHECKED enum err schema_form_show(struct request *req, const struct schema_form *form,
                                  struct template_var *ret_var);
/* The sentence above a refused form: which fields to look at; what stands beside no input is told
 * whole. NULL when the refusal is about no custom field. */
const char *schema_form_message(struct request *req, const struct schema_form *form);
/* What was typed, as a merge patch of the fields that the form showed and that say something new;
 * an emptied field is null. Texts that are no value of their field's type are left for the models
 * to refuse. ERR_CONFLICT when the form would look different by now. A request without any
 * fields_state changes nothing. */
CHECKED enum err schema_form_read(struct request *req, const struct schema_form *form,
                                  struct value *ret_patch);
/* The ERR_CONFLICT of it. */
CHECKED enum err schema_form_is_stale(struct request *req);
/* The same for a new user, as a document, and the members of it that were emptied: those stay
 * without their default. */
CHECKED enum err schema_form_read_new(struct request *req, const struct schema_form *form,
                                      struct bytes *ret_fields, struct strs *ret_emptied);
