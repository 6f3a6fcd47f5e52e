/* SPDX-License-Identifier: MIT
 *
 * trace_test.c: what a trace shows and what it must never show.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "access/trace.h"

static const struct {
	const char *in, *out;
} cases[] = {
    {"MESSAGE sip:b@c SIP/2.0\r\nTo: <sip:b@c>\r\n\r\nhello\r\nthere",
	"MESSAGE sip:b@c SIP/2.0\r\nTo: <sip:b@c>\r\n\r\n*****\r\n*****"},
    {"SIP/2.0 401 No\r\nWWW-Authenticate: NTLM realm=\"SIP Service\", targetname=\"fe01\", "
     "gssapi-data=\"TlRMTVNT\", opaque=\"8C2A\", version=4\r\n\r\n",
	"SIP/2.0 401 No\r\nWWW-Authenticate: NTLM realm=\"SIP Service\", targetname=\"fe01\", "
	"gssapi-data=\"********\", opaque=\"****\", version=4\r\n\r\n"},
    /* any case, folded, blank before the colon, a quote inside */
    {"R x SIP/2.0\r\nAUTHORIZATION : Digest username=\"a\",\r\n response=\"se\\\"cret\", "
     "nc=00000001\r\n"
     "X: response=\"kept\"\r\n\r\n",
	"R x SIP/2.0\r\nAUTHORIZATION : Digest username=\"a\",\r\n response=\"********\", "
	"nc=00000001\r\n"
	"X: response=\"kept\"\r\n\r\n"},
    {"R x SIP/2.0\r\nProxy-Authorization: Basic dXNlcjpwYXNz\r\n\r\n",
	"R x SIP/2.0\r\nProxy-Authorization: Basic ************\r\n\r\n"},
    {"R x SIP/2.0\r\nAuthorization: Basic dXNlcjpwYXM=\r\n\r\n",
	"R x SIP/2.0\r\nAuthorization: Basic ************\r\n\r\n"},
    {"R x SIP/2.0\r\nAuthorization: NTLM crand=1b6d, response=0100, realm=x\r\n\r\n",
	"R x SIP/2.0\r\nAuthorization: NTLM crand=****, response=****, realm=x\r\n\r\n"},
    {"R x SIP/2.0\r\nAuthentication-Info: NTLM rspauth=\"0100",
	"R x SIP/2.0\r\nAuthentication-Info: NTLM rspauth=\"****"},
    {"", ""},
};

static void
test_mask(void **state)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *p = strdup(cases[i].in);

		trace_mask(p, strlen(p));
		assert_string_equal(p, cases[i].out);
		free(p);
	}
}

/* Whatever is cut where: nothing is written outside, line ends stay, and the secret is gone. */
static void
test_mask_any_cut(void **state)
{
	static const char text[] = "REGISTER sip:c SIP/2.0\r\nVia: x\r\nAuthorization: NTLM "
				   "qop=\"auth\", response=\"SECRETSECRET\"\r\n"
				   "Proxy-Authorization: Digest response=SECRETSECRET\r\nTo: "
				   "y\r\n\r\nSECRETSECRET\r\nSECRETSECRET";

	for (size_t n = 0; n < sizeof(text); n++) {
		char *p = malloc(n + 1);

		memcpy(p, text, n);
		p[n] = '#';
		trace_mask(p, n);
		assert_int_equal(p[n], '#');
		p[n] = '\0';
		assert_null(strstr(p, "SECRET"));
		for (size_t k = 0; k < n; k++)
			assert_int_equal(
			    p[k] == '\r' || p[k] == '\n', text[k] == '\r' || text[k] == '\n');
		free(p);
	}
}

static void
test_words(void **state)
{
	char longest[TRACE_WORD_MAX + 1];
	struct trace *t;

	memset(longest, 'x', sizeof(longest));
	assert_null(trace_new((struct str){0}, 0));
	assert_null(trace_new((struct str){longest, TRACE_WORD_MAX}, 0));
	t = trace_new((struct str){longest, TRACE_WORD_MAX - 1}, 5);
	assert_non_null(t);
	assert_false(trace_is_forgotten(t, 5 + TRACE_FORGOTTEN_MS));
	assert_true(trace_is_forgotten(t, 6 + TRACE_FORGOTTEN_MS));
	assert_null(trace_free(t));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_mask),
	    cmocka_unit_test(test_mask_any_cut),
	    cmocka_unit_test(test_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
