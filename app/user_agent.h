/*
 * What a person calls the thing that a User-Agent header came from: "Firefox on Windows", "curl".
 * Answers are put together from closed lists of our own words, so nothing of the header ever
 * reaches a page or an answer. Pure functions, any thread.
 */
#pragma once

#define USER_AGENT_DEVICE_SIZE 40

/* text may be NULL. Looks at the first 512 bytes only. */
void user_agent_device(const char *text, char ret_device[USER_AGENT_DEVICE_SIZE]);
