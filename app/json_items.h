/*
 * The items of a list in a JSON text that comes in pieces and may be larger than memory: of the
 * list that is the text, of the member with a name in the object that is the text (or in each
 * object of a list), or the objects of a text that is one after the other (NDJSON). Each item is
 * given as its text, which json.c then reads; here only strings and brackets are understood. One
 * thread at a time.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "app/arena.h"

#define JSON_ITEM_MAX  ((size_t)256 * 1024)
#define JSON_ITEM_NAME 63

enum json_items_state { ITEMS_BEGIN = 0, ITEMS_SEARCH, ITEMS_BETWEEN, ITEMS_WITHIN, ITEMS_OVER };

struct json_items {
    const char *name; /* of the member whose list it is; NULL: the text itself */
    enum json_items_state state;
    char *held; /* the item */
    size_t held_size;
    bool too_long;
    bool in_string, escaped;
    bool listed;          /* the items stand in a list, else one after the other */
    int64_t depth, base;  /* brackets open; where items begin */
    int64_t object_depth; /* where the member is looked for */
    char key[JSON_ITEM_NAME + 1];
    size_t key_size;
    bool is_key; /* the last string is followed by a colon */
    const char *bytes;
    size_t size, at;
    bool last;
    int64_t number;
};

struct json_item {
    const char *text; /* valid until the next call */
    size_t length;
    int64_t number;      /* from 1 */
    const char *problem; /* to follow "The item "; or NULL */
};

/* False without memory. */
bool json_items_init(struct json_items *items, struct arena *arena, const char *name);
/* The next piece, borrowed until json_items_next has returned false. */
void json_items_feed(struct json_items *items, const char *bytes, size_t size, bool last);
bool json_items_next(struct json_items *items, struct json_item *ret_item);
/* At the end: whether the text was whole. */
bool json_items_whole(const struct json_items *items);
