/*
 * Who is no ordinary active user: administrators, owners, and whom somebody deactivated. They are
 * few, and asked for by role and is_active; one partial index holds them and nobody else, so that
 * an ordinary user costs it nothing. Any thread.
 */
#pragma once

#include "models/user_filter.h"

#define USER_STANDING_INDEX "is_active_1_role_1"
#define USER_STANDING_PARTIAL \
    "{\"$or\": [{\"role\": {\"$in\": [\"admin\", \"owner\"]}}, {\"is_active\": false}]}"

/* Whether all who meet a comparison of role or is_active stand in it. */
bool user_standing_holds(const struct user_filter *comparison);
/* "role eq … or role eq …": one look at the index, when the other member is named once for all. */
bool user_standing_is_choice(const struct user_filter *filter);
/* The other of the two, whatever its value: the index begins with both, and gives the order of ids
 * when both are named. out: the query document of the comparison. */
void user_standing_put_other(const struct user_field *field, bson_t *out);
