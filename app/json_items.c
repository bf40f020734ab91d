/* Cutting a large JSON text into the items of its list. */
#include "app/json_items.h"

#include <string.h>

bool json_items_init(struct json_items *items, struct arena *arena, const char *name)
{
    *items = (struct json_items){.name = name, .held = arena_alloc(arena, JSON_ITEM_MAX)};
    return items->held != NULL;
}

void json_items_feed(struct json_items *items, const char *bytes, size_t size, bool last)
{
    items->bytes = bytes;
    items->size = size;
    items->at = 0;
    items->last = last;
}

bool json_items_whole(const struct json_items *items)
{
    if (items->in_string || items->state == ITEMS_WITHIN || items->depth != 0)
        return false;
    return items->state != ITEMS_BEGIN;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void hold(struct json_items *items, char c)
{
    if (items->held_size == JSON_ITEM_MAX)
        items->too_long = true;
    else
        items->held[items->held_size++] = c;
}

/* Strings hide brackets. True when the character belongs to one. */
static bool in_string(struct json_items *items, char c)
{
    if (items->in_string) {
        if (items->escaped)
            items->escaped = false;
        else if (c == '\\')
            items->escaped = true;
        else if (c == '"')
            items->in_string = false;
        return true;
    }
    items->in_string = c == '"';
    return items->in_string;
}

static void begin(struct json_items *items, char c)
{
    if (is_blank(c) || strchr("\xef\xbb\xbf", c) != NULL)
        return;
    items->listed = c == '[';
    if (items->name != NULL && (c == '{' || c == '[')) {
        items->object_depth = c == '{' ? 1 : 2;
        items->depth = 1;
        items->state = ITEMS_SEARCH;
        return;
    }
    items->state = ITEMS_BETWEEN;
    if (items->listed)
        items->depth = items->base = 1;
    else
        items->at--; /* the first item begins here */
}

/* The text around the list: names of members where the list may be. */
static void search(struct json_items *items, char c)
{
    const bool was_string = items->in_string;

    if (in_string(items, c)) {
        if (!was_string)
            items->key_size = 0;
        else if (items->in_string && items->key_size <= JSON_ITEM_NAME)
            items->key[items->key_size++ % (JSON_ITEM_NAME + 1)] = c;
        items->is_key = false;
        return;
    }
    if (is_blank(c))
        return;
    if (c == '[' && items->is_key && items->depth == items->object_depth &&
        items->key_size == strlen(items->name) &&
        memcmp(items->key, items->name, items->key_size) == 0) {
        items->base = ++items->depth;
        items->listed = true;
        items->state = ITEMS_BETWEEN;
    } else if (c == '{' || c == '[') {
        items->depth++;
    } else if ((c == '}' || c == ']') && items->depth > 0) {
        items->depth--;
    }
    items->is_key = c == ':';
}

static void between(struct json_items *items, char c)
{
    if (is_blank(c) || (c == ',' && items->listed))
        return;
    if (c == ']' && items->listed) {
        items->depth--;
        items->state = items->name != NULL ? ITEMS_SEARCH : ITEMS_OVER;
        return;
    }
    items->held_size = 0;
    items->too_long = false;
    items->state = ITEMS_WITHIN;
    items->at--; /* is read as the item's first */
}

/* True when the item ends with or before this character. */
static bool within(struct json_items *items, char c)
{
    if (in_string(items, c)) {
        hold(items, c);
        return false;
    }
    if (c == '{' || c == '[')
        items->depth++;
    if (items->depth == items->base && items->held_size > 0 &&
        (c == ',' || c == ']' || c == '\n')) {
        items->at--; /* what is no object ends there */
        return true;
    }
    hold(items, c);
    if (c == '}' || c == ']')
        items->depth--;
    return (c == '}' || c == ']') && items->depth <= items->base;
}

static void give(struct json_items *items, struct json_item *ret_item)
{
    items->state = ITEMS_BETWEEN;
    if (items->depth < items->base)
        items->depth = items->base;
    *ret_item = (struct json_item){
        .text = items->held, .length = items->held_size, .number = ++items->number};
    if (!items->too_long)
        return;
    ret_item->problem = "is larger than 256 KiB.";
    ret_item->text = "";
    ret_item->length = 0;
}

bool json_items_next(struct json_items *items, struct json_item *ret_item)
{
    while (items->at < items->size) {
        const char c = items->bytes[items->at++];

        if (items->state == ITEMS_BEGIN)
            begin(items, c);
        else if (items->state == ITEMS_SEARCH)
            search(items, c);
        else if (items->state == ITEMS_BETWEEN)
            between(items, c);
        else if (items->state == ITEMS_WITHIN && within(items, c)) {
            give(items, ret_item);
            return true;
        }
    }
    /* An object of a text of objects may end with the text. */
    if (items->last && items->state == ITEMS_WITHIN && items->depth == items->base &&
        !items->in_string && !items->listed) {
        give(items, ret_item);
        return true;
    }
    return false;
}
