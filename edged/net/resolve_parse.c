/* SPDX-License-Identifier: MIT
 *
 * net/resolve_parse.c: see the header.
 */
#include "net/resolve_parse.h"

#include <ares.h>
#include <limits.h>
#include <string.h>

#define HEADER_LEN  12u
#define TYPE_SRV    33u
#define CLASS_IN    1u
#define RECORDS_MAX 256u /* of one answer; more is nobody's farm */

struct reader {
	const unsigned char *msg;
	size_t len, at;
	bool bad;
};

static unsigned
get16(struct reader *r)
{
	if (r->bad || r->len - r->at < 2) {
		r->bad = true;
		return 0;
	}
	r->at += 2;
	return (unsigned)r->msg[r->at - 2] << 8 | r->msg[r->at - 1];
}

static uint32_t
get32(struct reader *r)
{
	uint32_t high = get16(r);

	return high << 16 | get16(r);
}

/* Into name (256) unless NULL; empty for the root or a name that is not one of ours to use. */
static void
get_name(struct reader *r, char *name)
{
	char *text = NULL;
	long used = 0;

	if (name)
		name[0] = 0;
	if (r->bad || r->at >= r->len || r->len > INT_MAX ||
	    ares_expand_name(r->msg + r->at, r->msg, (int)r->len, &text, &used) != ARES_SUCCESS) {
		r->bad = true;
		return;
	}
	if (used <= 0 || (size_t)used > r->len - r->at) {
		r->bad = true;
	} else {
		size_t n;

		r->at += (size_t)used;
		if (name && resolve_name(str_of(text), name, &n) < 0)
			name[0] = 0;
	}
	ares_free_string(text);
}

static bool
is_name_octet(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

int
resolve_name(struct str name, char *ret, size_t *ret_n)
{
	size_t label = 0;

	if (name.n && name.p[name.n - 1] == '.')
		name.n--;
	if (name.n == 0 || name.n > 253)
		return ED_MALFORMED;
	for (size_t i = 0; i < name.n; i++) {
		unsigned char c = ascii_lower((unsigned char)name.p[i]);

		if (c == '.' ? label == 0 : !is_name_octet(c) || label == 63)
			return ED_MALFORMED;
		label = c == '.' ? 0 : label + 1;
		ret[i] = (char)c;
	}
	if (label == 0)
		return ED_MALFORMED;
	ret[name.n] = 0;
	*ret_n = name.n;
	return ED_OK;
}

/* DNS-14: lowest priority, then highest weight, then first. */
static bool
stands_before(unsigned priority, unsigned weight, unsigned priority_b, unsigned weight_b)
{
	return priority != priority_b ? priority < priority_b : weight > weight_b;
}

static void
insert(
    struct resolve_answer *a, unsigned priority, unsigned weight, unsigned port, const char *target)
{
	unsigned at = a->n_srv;

	while (at > 0 &&
	       stands_before(priority, weight, a->srv[at - 1].priority, a->srv[at - 1].weight))
		at--;
	if (at == RESOLVE_SRV_MAX)
		return;
	if (a->n_srv < RESOLVE_SRV_MAX)
		a->n_srv++;
	memmove(&a->srv[at + 1], &a->srv[at], (a->n_srv - at - 1u) * sizeof(a->srv[0]));
	a->srv[at].priority = (uint16_t)priority;
	a->srv[at].weight = (uint16_t)weight;
	a->srv[at].port = (uint16_t)port;
	memcpy(a->srv[at].target, target, strlen(target) + 1);
}

static void
take_record(struct reader *r, struct resolve_answer *a)
{
	unsigned type, class, len, priority, weight, port;
	char target[256];
	uint32_t ttl;
	size_t end;

	get_name(r, NULL);
	type = get16(r);
	class = get16(r);
	ttl = get32(r);
	len = get16(r);
	if (r->bad || len > r->len - r->at) {
		r->bad = true;
		return;
	}
	end = r->at + len;
	if (type == TYPE_SRV && class == CLASS_IN) {
		priority = get16(r);
		weight = get16(r);
		port = get16(r);
		get_name(r, target);
		if (r->bad || r->at > end) {
			r->bad = true;
			return;
		}
		if (target[0] && port)
			insert(a, priority, weight, port, target);
	}
	if (ttl < a->ttl_s) /* a CNAME on the way counts as well */
		a->ttl_s = ttl;
	r->at = end;
}

int
resolve_parse_srv(const unsigned char *msg, size_t len, struct resolve_answer *ret)
{
	struct reader r = {.msg = msg, .len = len};
	unsigned questions, answers;

	ret->n_srv = 0;
	ret->ttl_s = UINT32_MAX;
	if (len < HEADER_LEN)
		return ED_MALFORMED;
	r.at = 4;
	questions = get16(&r);
	answers = get16(&r);
	r.at = HEADER_LEN;
	if (questions > 1 || answers > RECORDS_MAX)
		return ED_MALFORMED;
	if (questions) {
		get_name(&r, NULL);
		(void)get32(&r);
	}
	for (unsigned i = 0; i < answers && !r.bad; i++)
		take_record(&r, ret);
	if (r.bad)
		return ED_MALFORMED;
	return ret->n_srv ? ED_OK : ED_GONE;
}
