/* Finds the word that was probably meant: for unknown keys and subcommands. Pure function. */
#pragma once

#include <stddef.h>

/* The candidate with the fewest edits to word, or NULL when none is close. */
const char *nearest_word(const char *word, const char *const *candidates, size_t count);
