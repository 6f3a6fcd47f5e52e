/* SPDX-License-Identifier: MIT
 *
 * access/diag.c: see diag.h.
 */
#include "access/diag.h"

#include "access/text.h"

/* OUTSIDE rows may be told to clients and partners, without source (access-edge-sip 12). */
static const struct {
	enum diag id;
	bool outside;
	const char *text;
} rows[] = {
    {DIAG_NOT_FEDERATED, false, "From URI not authorized to communicate with federated partners"},
    {DIAG_ROUTE_SET, true, "Route set is no longer valid"},
    {DIAG_NO_ROUTE, false, "Cannot route to destination domain"},
    {DIAG_CLIENT_ROUTING, false, "Error occurred during routing to a client connection"},
    {DIAG_CANNOT_ROUTE_NOW, false, "Temporarily cannot route"},
    {DIAG_SRV_UNRESOLVED, false, "Unable to resolve DNS SRV record"},
    {DIAG_SRV_CONFLICT, false, "No match for domain in DNS SRV results"},
    {DIAG_TLS_TRUST, false, "Certificate trust with next-hop server could not be established"},
    {DIAG_PREVIOUS_HOP, false, "Previous hop did not report diagnostic information"},
    {DIAG_NOT_OUTSIDE, true, "From URI is not authorized to communicate outside the enterprise"},
    {DIAG_A_UNRESOLVED, false, "Unable to resolve DNS A record"},
    {DIAG_SPLIT_DOMAIN, false, "Cannot route From and To domains in this combination"},
    {DIAG_REQUEST_KIND, true, "This request cannot be routed to or from a federated partner"},
    {DIAG_BLOCKED, false, "The destination domain is blocked"},
    {DIAG_PREVIOUS_PARTNER, false,
	"Previous hop federated peer did not report diagnostic information"},
    {DIAG_CONNECT_SERVER, false, "Failed to connect to a peer server"},
    {DIAG_CONNECT_PARTNER, false, "Failed to connect to a federated peer server"},
    {DIAG_TLS_PARTNER, false, "Failed to complete TLS negotiation with a federated peer server"},
};

static int
row_of(enum diag id)
{
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].id == id)
			return (int)i;
	return -1;
}

const char *
diag_text(enum diag id)
{
	int i = row_of(id);

	return i < 0 ? "" : rows[i].text;
}

struct str
diag_line(const struct work *w, enum facts_peer to, enum diag id, struct str text, struct str more)
{
	int i = row_of(id);
	bool inside = to == FACTS_INTERNAL;
	struct text t;

	if (i < 0 || (!inside && !rows[i].outside))
		return STR("");
	if (!text.p)
		text = str_of(rows[i].text);
	t = text_start(w->arena, 96 + text.n + more.n + w->view->external_fqdn.n);
	text_put(&t, inside ? STR("ms-diagnostics: ") : STR("ms-diagnostics-public: "));
	text_put_u32(&t, (uint32_t)id);
	text_put(&t, STR(";reason=\""));
	text_put(&t, text);
	text_put(&t, STR("\""));
	if (inside) {
		text_put(&t, more);
		text_put(&t, STR(";source=\""));
		text_put(&t, w->view->external_fqdn);
		text_put(&t, STR("\""));
	}
	text_put(&t, STR("\r\n"));
	return text_done(&t);
}
