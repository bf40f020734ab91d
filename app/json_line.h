/*
 * On which line of a JSON text a pointer (RFC 6901) leads: for people who wrote the text. Pure, any
 * thread.
 */
#pragma once

/* The text is JSON that app/json.h took. The first line is 1; of a place that is not there, the
 * line of the nearest one around it. */
unsigned json_line(const char *text, const char *pointer);
