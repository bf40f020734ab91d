/*
 * libcurl, loaded by the first request: with the twenty libraries behind it, it would cost each
 * process four megabytes (a quarter of what an idle one has), also where nobody is ever sent
 * anything. For app/fetch.c alone. Any thread.
 */
#pragma once

#include <curl/curl.h>

struct curl_library {
    __typeof__(curl_easy_init) *easy_init;
    __typeof__(curl_easy_perform) *easy_perform;
    __typeof__(curl_easy_cleanup) *easy_cleanup;
    __typeof__(curl_easy_strerror) *easy_strerror;
    __typeof__(curl_slist_append) *slist_append;
    __typeof__(curl_slist_free_all) *slist_free_all;
    CURLcode (*easy_setopt)(CURL *curl, CURLoption option, ...);
    CURLcode (*easy_getinfo)(CURL *curl, CURLINFO info, ...);
};

/* NULL when it is not there or too old for this service, which is logged once. */
const struct curl_library *curl_library(void);
