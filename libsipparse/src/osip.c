/* SPDX-License-Identifier: MIT
 *
 * osip.c: libosip2 as a second reader of single URIs.
 */
#include "sipparse/uri.h"

#include <stdlib.h>

#include <osipparser2/osip_parser.h>

#define PORT_DIGITS_MAX 5

static int
read_osip(struct str text, osip_uri_t **ret_uri)
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
	if (osip_uri_init(&uri) != 0)
		r = ED_NOMEM;
	else if (osip_uri_parse(uri, z) == 0)
		r = ED_OK;
	free(z);
	if (r == ED_OK)
		*ret_uri = uri;
	else
		osip_uri_free(uri);
	return r;
}

int
sip_uri_check_osip(struct str text)
{
	osip_uri_t *uri = NULL;
	int r = read_osip(text, &uri);

	osip_uri_free(uri);
	return r;
}

static bool
same_port(uint16_t ours, const char *theirs)
{
	unsigned long n = 0;

	if (!theirs)
		return ours == 0;
	if (strlen(theirs) > PORT_DIGITS_MAX)
		return false;
	for (; *theirs; theirs++) {
		if (*theirs < '0' || *theirs > '9')
			return false;
		n = n * 10 + (unsigned long)(*theirs - '0');
	}
	return n == ours;
}

int
sip_uri_agrees_osip(const struct sip_uri *u)
{
	osip_uri_t *theirs = NULL;
	bool same;
	int r = read_osip(u->text, &theirs);

	if (r < 0)
		return r;
	same = theirs->scheme && str_eq_nocase(str_of(theirs->scheme), u->scheme_text);
	if (u->scheme != SIP_SCHEME_OTHER)
		same = same && theirs->host && str_eq_nocase(str_of(theirs->host), u->host) &&
		       same_port(u->port, theirs->port) &&
		       (u->user.p != NULL) == (theirs->username != NULL);
	osip_uri_free(theirs);
	return same ? ED_OK : ED_MALFORMED;
}
