/* SPDX-License-Identifier: MIT
 *
 * webconf/client_admit.c: who comes in, and to which server: by the name asked for, a ticket in it,
 * or a ticket in front of the octets (psom-webconf 7.2).
 */
#include "base/digest.h"
#include "net/tls.h"
#include "svc/log.h"
#include "webconf/client_in.h"

static void
open_inside(struct client *c, const struct inside_want *want)
{
	const struct tls_facts *facts = conn_facts(c->conn);
	struct inside_want iw = *want;
	char buf[ADDR_STR_LEN];
	int r;

	iw.client = c->peer;
	iw.local = *conn_local(c->conn);
	iw.sni = facts->sni;
	iw.tls = facts->version;
	c->state = STATE_OPENING;
	c->since_ms = c->admitted_ms = c->last_ms = client_now(c);
	client_throttle(c, c->w->throttling);
	count_one(COUNT_ADMITTED);
	log_info(AREA_WEBCONF, "WEB-6009", "client_admitted",
	    "flow=%llx peer=%s tls=%s server=" STR_FMT " ticket=%02x%02x%02x%02x",
	    (unsigned long long)c->id, addr_str(&c->peer, buf), facts->version, STR_ARG(iw.server),
	    iw.ticket ? iw.ticket[0] : 0, iw.ticket ? iw.ticket[1] : 0,
	    iw.ticket ? iw.ticket[2] : 0, iw.ticket ? iw.ticket[3] : 0);
	r = inside_open(c->w, c, &iw, &c->in);
	if (r < 0)
		client_end(c, r == ED_GONE ? CLIENT_NO_SERVER : CLIENT_LINKS_FULL);
	else
		client_schedule(c);
}

static void
admit_by_handle(struct client *c, struct str handle)
{
	uint8_t hash[PSOM_HASH_LEN];
	struct psom_ticket_facts t;
	struct inside_want iw = {.ticket = hash};
	enum psom_ticket_verdict v = PSOM_TICKET_UNKNOWN;

	if (digest_sha256(&handle, 1, hash) == ED_OK)
		v = psom_tickets_take(c->w->tickets, hash, webconf_wall_s(), &t);
	switch (v) {
	case PSOM_TICKET_OK:
		iw.server = t.server;
		iw.conference = t.conference;
		open_inside(c, &iw);
		break;
	case PSOM_TICKET_UNKNOWN:
		client_end(c, CLIENT_TICKET_UNKNOWN);
		break;
	case PSOM_TICKET_EXPIRED:
		client_end(c, CLIENT_TICKET_EXPIRED);
		break;
	case PSOM_TICKET_USED:
		client_end(c, CLIENT_TICKET_USED);
		break;
	case PSOM_TICKET_REVOKED:
		client_end(c, CLIENT_TICKET_REVOKED);
		break;
	}
}

void
client_admit_by_name(struct client *c, struct str sni)
{
	struct inside_want iw = {.server = inside_server_by_name(c->w, sni)};

	if (iw.server.n == 0)
		iw.server = c->w->view->default_server;
	if (iw.server.n == 0)
		client_end(c, CLIENT_SNI_UNKNOWN);
	else
		open_inside(c, &iw);
}

void
client_admit_by_label(struct client *c, struct str sni)
{
	uint8_t handle[PSOM_HANDLE_LEN];

	if (psom_label_read(sni, c->w->view->ticket_suffix, handle) < 0)
		client_end(c, CLIENT_SNI_UNKNOWN);
	else
		admit_by_handle(c, (struct str){(const char *)handle, sizeof(handle)});
}

size_t
client_admit_by_preface(struct client *c, struct str bytes)
{
	struct str handle;
	int n = psom_preface_read(bytes, &handle);

	if (n < 0 || (n == 0 && bytes.n > ADMISSION_MAX))
		client_end(c, CLIENT_PREFACE_BAD);
	if (n <= 0)
		return 0;
	admit_by_handle(c, handle);
	return (size_t)n;
}
