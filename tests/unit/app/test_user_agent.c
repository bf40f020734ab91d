/* Names of devices from User-Agent headers (R001-07, AU-17). */
#include "app/user_agent.h"

#include <stdio.h>
#include <string.h>

#include "support/unit.h"

#define MOZILLA "Mozilla/5.0 "
#define WEBKIT  " AppleWebKit/537.36 (KHTML, like Gecko) "

static void test_known_devices(void **state)
{
    static const struct {
        const char *text, *device;
    } rows[] = {
        {MOZILLA "(Windows NT 10.0; Win64; x64; rv:128.0) Gecko/20100101 Firefox/128.0",
         "Firefox on Windows"},
        {MOZILLA "(X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0", "Firefox on Linux"},
        {MOZILLA "(Macintosh; Intel Mac OS X 10.15; rv:128.0) Gecko/20100101 Firefox/128.0",
         "Firefox on macOS"},
        {MOZILLA "(Windows NT 10.0; Win64; x64)" WEBKIT "Chrome/126.0.0.0 Safari/537.36",
         "Chrome on Windows"},
        {MOZILLA "(X11; CrOS x86_64 14541.0.0)" WEBKIT "Chrome/126.0.0.0 Safari/537.36",
         "Chrome on ChromeOS"},
        {MOZILLA "(Linux; Android 10; K)" WEBKIT "Chrome/126.0.0.0 Mobile Safari/537.36",
         "Chrome on Android"},
        {MOZILLA "(Windows NT 10.0)" WEBKIT "Chrome/126.0.0.0 Safari/537.36 Edg/126.0.2592.87",
         "Edge on Windows"},
        {MOZILLA "(Linux; Android 10)" WEBKIT "Chrome/126.0 Mobile Safari/537.36 EdgA/126.0",
         "Edge on Android"},
        {MOZILLA "(Windows NT 10.0)" WEBKIT "Chrome/126.0.0.0 Safari/537.36 OPR/112.0.0.0",
         "Opera on Windows"},
        {MOZILLA "(Linux; Android 14; SM-S918B)" WEBKIT
                 "SamsungBrowser/25.0 Chrome/121.0.0.0 Mobile Safari/537.36",
         "Samsung Internet on Android"},
        {MOZILLA "(Macintosh; Intel Mac OS X 10_15_7)" WEBKIT "Version/17.5 Safari/605.1.15",
         "Safari on macOS"},
        {MOZILLA "(iPhone; CPU iPhone OS 17_5 like Mac OS X)" WEBKIT
                 "Version/17.5 Mobile/15E148 Safari/604.1",
         "Safari on iPhone"},
        {MOZILLA "(iPad; CPU OS 17_5 like Mac OS X)" WEBKIT
                 "CriOS/126.0 Mobile/15E148 Safari/604.1",
         "Chrome on iPad"},
        {MOZILLA "(iPhone; CPU iPhone OS 17_5 like Mac OS X)" WEBKIT
                 "FxiOS/127.0 Mobile/15E148 Safari/605.1.15",
         "Firefox on iPhone"},
        {MOZILLA "(Windows NT 10.0; WOW64; Trident/7.0; rv:11.0) like Gecko",
         "Internet Explorer on Windows"},
        {MOZILLA "(X11; Linux x86_64)" WEBKIT "HeadlessChrome/126.0.0.0 Safari/537.36",
         "Chrome on Linux"},
        {"curl/8.5.0", "curl"},
        {"python-httpx/0.27.0", "Python"},
        {"Go-http-client/1.1", "Go"},
        {"okhttp/4.12.0", "Android app"},
        {"Dalvik/2.1.0 (Linux; U; Android 14; Pixel 8)", "Android app"},
        {"MyApp/3 CFNetwork/1408.0.4 Darwin/22.5.0", "Apple app"},
        {MOZILLA "(SMART-TV; Linux; Tizen 7.0)", "Linux"},
        {"", "Unknown device"},
        {"Mozilla/5.0", "Unknown device"},
        {"<script>alert(1)</script>", "Unknown device"},
        {"not curl/8.5.0", "Unknown device"},
    };
    (void)state;

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char device[USER_AGENT_DEVICE_SIZE];

        user_agent_device(rows[i].text, device);
        assert_string_equal(device, rows[i].device);
    }
}

static void test_no_header(void **state)
{
    char device[USER_AGENT_DEVICE_SIZE];
    (void)state;

    user_agent_device(NULL, device);
    assert_string_equal(device, "Unknown device");
}

/* MS-1: a long header costs no more than a short one, and what stands behind is not looked at. */
static void test_only_the_beginning_counts(void **state)
{
    char text[2048], device[USER_AGENT_DEVICE_SIZE];
    (void)state;

    memset(text, 'x', sizeof text);
    (void)snprintf(text + 600, sizeof text - 600, "Firefox/128.0 Windows");
    text[599] = ' ';
    user_agent_device(text, device);
    assert_string_equal(device, "Unknown device");
    memcpy(text, "Firefox/", 8);
    user_agent_device(text, device);
    assert_string_equal(device, "Firefox");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_devices),
        cmocka_unit_test(test_no_header),
        cmocka_unit_test(test_only_the_beginning_counts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
