/* Between custom_validator.c, which walks a shape, and custom_validator_words.c, which knows the
 * keywords of single values. */
#pragma once

#include "app/bson_auto.h"
#include "models/custom_validator.h"

/* One schema under construction: keywords, and what stands beside them in allOf. */
struct node {
    bson_t *out;
    bson_t *all;
    uint32_t all_count;
};

void validator_put_item(bson_t *array, uint32_t *count, const bson_t *item);
void validator_put_types(bson_t *out, unsigned types, bool with_dates);
void validator_put_numbers(struct ctx *ctx, struct node *node, const struct shape *shape);
void validator_put_texts(struct node *node, const struct shape *shape);
/* enum and const, of a shape whose values are stored as they are shown. */
void validator_put_values(struct node *node, const struct shape *shape);
