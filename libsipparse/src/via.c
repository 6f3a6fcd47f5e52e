/* SPDX-License-Identifier: MIT */
#include "sipparse/via.h"

#include "chars.h"
#include "host.h"
#include "sipparse/uri.h"

#define VIA_PARAMS_MAX 32u

enum via_param {
	VIA_BRANCH = 1,
	VIA_RECEIVED = 2,
	VIA_RPORT = 4,
	VIA_MADDR = 8,
	VIA_TTL = 16,
	VIA_MS_RECEIVED_PORT = 32,
	VIA_MS_RECEIVED_CID = 64,
};

static unsigned
via_param_of(struct str name)
{
	switch (name.n) {
	case 3:
		return STR_IS(name, "ttl") ? VIA_TTL : 0;
	case 5:
		return STR_IS(name, "rport") ? VIA_RPORT : STR_IS(name, "maddr") ? VIA_MADDR : 0;
	case 6:
		return STR_IS(name, "branch") ? VIA_BRANCH : 0;
	case 8:
		return STR_IS(name, "received") ? VIA_RECEIVED : 0;
	case 15:
		return STR_IS(name, "ms-received-cid") ? VIA_MS_RECEIVED_CID : 0;
	case 16:
		return STR_IS(name, "ms-received-port") ? VIA_MS_RECEIVED_PORT : 0;
	default:
		return 0;
	}
}

static int
via_fail(struct ed_fault *fault, struct str value, const char *at, const char *what)
{
	return ed_fail(fault, ED_MALFORMED, (uint32_t)(at - value.p), what);
}

/* Those that we read ourselves: once each, and with a value that every reader takes alike. */
static int
via_params(struct sip_via *v, const char *safe, struct ed_fault *fault)
{
	unsigned seen = 0, n = 0;
	struct sip_param one;
	uint32_t pos = 0, port;
	int r;

	while ((r = param_next(v->params, safe, &pos, &one)) == 1) {
		unsigned bit = via_param_of(one.name);
		const char *at = v->params.p + one.at;

		if (++n > VIA_PARAMS_MAX)
			return via_fail(fault, v->text, at, "Via: too many parameters");
		if (bit & seen)
			return via_fail(fault, v->text, at, "Via: parameter twice");
		seen |= bit;
		if (bit && bit != VIA_RPORT && (!one.value.p || one.value.p[0] == '"'))
			return via_fail(fault, v->text, at, "Via: parameter without a plain value");
		if (bit == VIA_BRANCH) {
			const char *end = str_end(one.value);

			if (scan_token(one.value.p, end, safe) != end)
				return via_fail(fault, v->text, at, "Via: branch is not a token");
			v->branch = one.value;
		} else if (bit == VIA_RECEIVED) {
			v->received = one.value;
		} else if (bit == VIA_RPORT) {
			v->has_rport = true;
			v->rport = one.value;
			if (one.value.p && (!str_to_u32(one.value, 65535, &port) || port == 0))
				return via_fail(fault, v->text, at, "Via: rport is not a port");
		}
	}
	return r < 0 ? via_fail(fault, v->text, v->params.p + pos, "Via: bad parameter") : ED_OK;
}

/* Field by field, as in uri.c. */
static void
via_clear(struct sip_via *v, struct str text)
{
	v->text = text;
	v->transport = STR_NONE;
	v->host = STR_NONE;
	v->host_is_v6 = v->has_rport = false;
	v->port = 0;
	v->sent_by = STR_NONE;
	v->branch = STR_NONE;
	v->rport = STR_NONE;
	v->received = STR_NONE;
	v->params = STR_NONE;
	v->params_at = 0;
}

int
via_parse(struct str value, const char *safe, struct sip_via *v, struct ed_fault *fault)
{
	const char *p = value.p, *end;
	struct hostport hp;

	via_clear(v, value);
	/* Blanks around the slashes are legal and refused: a blank there ends the field to some. */
	if (value.n < 8 || !name_is(p, "sip/2.0/", 8))
		return ed_fail(fault, ED_MALFORMED, 0, "Via: not SIP/2.0/");
	end = p + value.n;
	p += 8;
	v->transport.p = p;
	p = scan_token(p, end, safe);
	v->transport.n = (size_t)(p - v->transport.p);
	if (v->transport.n == 0 || p == end || !ch_blank(*p))
		return via_fail(fault, value, p, "Via: no transport");
	p = scan_blanks(p, end);
	p = hostport_parse(p, end, safe, &hp);
	if (!p)
		return via_fail(fault, value, v->transport.p + v->transport.n, "Via: bad sent-by");
	v->host = hp.host;
	v->host_is_v6 = hp.is_v6;
	v->port = hp.port;
	v->sent_by = hp.text;
	p = scan_blanks(p, end);
	if (p < end && *p != ';')
		return via_fail(fault, value, p, "Via: text behind sent-by");
	v->params = (struct str){p, (size_t)(end - p)};
	v->params_at = (uint32_t)(p - value.p);
	return via_params(v, safe, fault);
}

int
sip_via_parse(struct str value, struct sip_via *ret_via, struct ed_fault *fault)
{
	struct sip_via v;
	int r = via_parse(value, str_end(value), &v, fault);

	if (r == ED_OK)
		*ret_via = v;
	return r;
}

bool
sip_via_has_cookie(const struct sip_via *v)
{
	return v->branch.n > 7 && name_is(v->branch.p, "z9hg4bk", 7);
}
