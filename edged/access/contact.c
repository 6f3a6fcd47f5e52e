/* SPDX-License-Identifier: MIT
 *
 * access/contact.c: see contact.h.
 */
#include "access/contact.h"

#include "access/text.h"
#include "access/via.h"
#include "base/addr.h"
#include "sipparse/edit.h"
#include "sipparse/msg.h"
#include "sipparse/uri.h"

/* One Contact value on its way through. */
struct change {
	const struct work *w;
	const struct facts *f;
	struct sip_edits *e;
	struct sip_nameaddr na;
	struct sip_uri uri;
	uint32_t uri_at; /* in the message */
	const char *why;
};

static void
put_peer_ip(struct text *t, const struct change *c)
{
	char buf[ADDR_STR_LEN];
	bool v6 = c->f->remote.family == 6;

	text_put(t, v6 ? STR("[") : STR(""));
	text_put(t, str_of(addr_ip_str(&c->f->remote, buf)));
	text_put(t, v6 ? STR("]") : STR(""));
}

/* Walks the URI's parameters: transport must be the real one, a cid that is not ours to keep goes.
 */
static int
walk_uri_params(struct change *c, bool replace, bool *ret_maddr)
{
	uint32_t params_at = c->uri_at + (uint32_t)(c->uri.params.p - c->uri.text.p);
	struct sip_param p;
	uint32_t pos = 0;
	int r;

	*ret_maddr = false;
	while ((r = sip_param_next(c->uri.params, &pos, &p)) == 1) {
		if (str_eq_nocase(p.name, STR("ms-received-cid"))) {
			sip_edit_splice(c->e, params_at + p.at, p.len, STR(""));
		} else if (!replace) {
			continue;
		} else if (str_eq_nocase(p.name, STR("transport"))) {
			if (!str_eq_nocase(p.value, STR("tls"))) {
				c->why = "Contact transport does not match the connection";
				return ED_DENIED;
			}
		} else if (str_eq_nocase(p.name, STR("maddr"))) {
			struct text t = text_start(c->w->arena, ADDR_STR_LEN + 16);

			text_put(&t, STR(";maddr="));
			put_peer_ip(&t, c);
			text_splice(c->e, params_at + p.at, p.len, &t);
			*ret_maddr = true;
		}
	}
	return r < 0 ? ED_DENIED : ED_OK;
}

/* maddr, ms-received-cid and the closing bracket that a bare addr-spec needs for them. */
static void
append_uri_params(struct change *c, bool maddr)
{
	struct text t = text_start(c->w->arena, ADDR_STR_LEN + 64);
	uint32_t n = (uint32_t)(c->uri.headers.n ? c->uri.headers.p - 1 - c->uri.text.p
						 : (ptrdiff_t)c->uri.text.n);

	if (maddr) {
		text_put(&t, STR(";maddr="));
		put_peer_ip(&t, c);
	}
	text_put(&t, STR(";ms-received-cid="));
	text_put_hex(&t, c->f->cid, 1, true);
	if (c->na.bracketed) {
		text_splice(c->e, c->uri_at + n, 0, &t);
		return;
	}
	text_put(&t, STR(">"));
	sip_edit_splice(c->e, c->uri_at, 0, STR("<"));
	text_splice(c->e, c->uri_at + n, 0, &t);
}

static int
replace_address(struct change *c)
{
	bool is_ip = c->uri.host_is_v4 || c->uri.host_is_v6, maddr;
	int r;

	if (c->uri.scheme == SIP_SCHEME_OTHER) {
		c->why = "Contact to replace is not a SIP URI";
		return ED_DENIED;
	}
	r = walk_uri_params(c, true, &maddr);
	if (r < 0)
		return r;
	if (!maddr && is_ip) {
		char buf[ADDR_STR_LEN];
		struct text t = text_start(c->w->arena, sizeof(buf));

		text_put(&t, str_of(addr_str(&c->f->remote, buf)));
		text_splice(c->e, c->uri_at + c->uri.host_at, c->uri.hostport_n, &t);
	}
	append_uri_params(c, !maddr && !is_ip);
	return ED_OK;
}

/* The first value was read with the message. */
static int
read_value(struct change *c, const struct sip_value *val, const struct sip_msg *m)
{
	int r;

	if (m->contact.text.p && m->contact.text.p == val->text.p + m->contact_addr.uri_at) {
		c->na = m->contact_addr;
		c->uri = m->contact;
		return ED_OK;
	}
	r = sip_nameaddr_parse(val->text, &c->na, NULL);
	return r < 0 ? r : sip_uri_parse(c->na.uri_text, &c->uri, NULL);
}

static int
change_value(struct change *c, const struct sip_value *val, const struct sip_msg *m)
{
	struct sip_param proxy;
	bool maddr;

	if (str_eq(val->text, STR("*")))
		return ED_OK;
	if (read_value(c, val, m) < 0) {
		c->why = "Contact is malformed";
		return ED_DENIED;
	}
	c->uri_at = val->at + c->na.uri_at;
	if (!sip_param_find(c->na.params, STR("proxy"), &proxy))
		return c->uri.params.n && c->na.bracketed ? walk_uri_params(c, false, &maddr)
							  : ED_OK;
	if (!str_eq_nocase(proxy.value, STR("replace"))) {
		c->why = "Contact proxy parameter is unknown";
		return ED_DENIED;
	}
	if (via_count(m, 2) != 1) {
		c->why = "Contact proxy=replace beyond the first hop";
		return ED_DENIED;
	}
	sip_edit_splice(c->e, val->at + c->na.params_at + proxy.at, proxy.len, STR(""));
	return replace_address(c);
}

int
contact_replace(const struct work *w, const struct facts *f, const struct sip_msg *m,
    struct sip_edits *e, const char **ret_why)
{
	struct change c = {.w = w, .f = f, .e = e, .why = "Contact is malformed"};
	struct sip_values it;
	struct sip_value val;
	int r;

	if (m->first[SIP_HDR_CONTACT] == SIP_NO_LINE)
		return ED_OK;
	sip_values_init(&it, m, SIP_HDR_CONTACT);
	while ((r = sip_values_next(&it, &val)) == 1) {
		r = change_value(&c, &val, m);
		if (r < 0)
			break;
	}
	if (r < 0) {
		*ret_why = c.why;
		return ED_DENIED;
	}
	return ED_OK;
}
