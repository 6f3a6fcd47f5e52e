/* SPDX-License-Identifier: MIT */
#include "sipparse/uri.h"

#include <stdlib.h>

#include <osipparser2/osip_parser.h>

int
sip_uri_check_osip(struct str text)
{
	osip_uri_t *uri = NULL;
	char *z;
	int r = ED_MALFORMED;

	if (text.n == 0 || memchr(text.p, '\0', text.n))
		return ED_MALFORMED;
	z = malloc(text.n + 1);
	if (!z)
		return ED_NOMEM;
	memcpy(z, text.p, text.n);
	z[text.n] = '\0';
	if (osip_uri_init(&uri) != 0) {
		r = ED_NOMEM;
		goto out;
	}
	if (osip_uri_parse(uri, z) == 0)
		r = ED_OK;
out:
	osip_uri_free(uri);
	free(z);
	return r;
}
