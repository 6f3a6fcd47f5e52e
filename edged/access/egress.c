/* SPDX-License-Identifier: MIT */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "access/engine.h"
#include "access/keepalive.h"
#include "access/via.h"
#include "net/ipc.h"
#include "svc/log.h"

char *
egress_reserve(struct flow *to, size_t n)
{
	struct access *ax = to->ax;

	if (to->closing)
		return NULL;
	if (to->kind != FLOW_SIBLING)
		return ax->ops->reserve(ax->net, to, n);
	if (n > IPC_MSG_MAX - SIBLING_HEAD_LEN)
		return NULL;
	return (char *)ax->sibling_out + SIBLING_HEAD_LEN;
}

void
egress_commit(struct flow *to, size_t n)
{
	struct access *ax = to->ax;
	struct str msg = {(const char *)ax->sibling_out, SIBLING_HEAD_LEN + n};

	if (to->kind != FLOW_SIBLING) {
		ax->ops->commit(ax->net, to, n);
		return;
	}
	sibling_head(ax->sibling_out, SIBLING_OUTPUT, to->cid, NULL, (uint32_t)n);
	if (ax->ops->to_sibling(ax->net, FLOW_CID_SLOT(to->cid), msg) < 0) {
		count(CNT_SIBLING_FAILED);
		log_warning(AREA_SIP, "ACC-2012", "sibling_refuses", "flow=%llx bytes=%zu",
		    (unsigned long long)to->cid, n);
		return;
	}
	count(CNT_SIBLING_OUT);
}

/* A copy for edgectl trace; what goes to a sibling is shown where it leaves the host. */
static inline void
show(const struct flow *to, const char *out, size_t n)
{
	struct access *ax = to->ax;

	if (__builtin_expect(ax->trace != NULL, 0) && to->kind != FLOW_SIBLING)
		trace_show(ax->trace, to, false, (struct str){out, n}, ax->now_ms);
}

/* What goes to a sibling is counted where it leaves the host. */
static void
count_out(const struct flow *to, unsigned method)
{
	if (to->kind != FLOW_SIBLING)
		count_message(true, flow_is_external(to), method);
}

int
egress_text(struct flow *to, struct str text, unsigned method)
{
	char *out;

	if (!text.p)
		return ED_NOMEM;
	out = egress_reserve(to, text.n);
	if (!out)
		return ED_LIMIT;
	memcpy(out, text.p, text.n);
	show(to, out, text.n);
	egress_commit(to, text.n);
	count_out(to, method);
	return ED_OK;
}

int
egress_edits(struct flow *to, struct sip_edits *e, unsigned method)
{
	int64_t n = sip_edits_size(e);
	char *out;
	size_t wrote;

	if (n < 0)
		return (int)n;
	out = egress_reserve(to, (size_t)n);
	if (!out)
		return ED_LIMIT;
	wrote = sip_edits_write(e, out);
	assert(wrote == (size_t)n);
	show(to, out, wrote);
	egress_commit(to, wrote);
	count_out(to, method);
	return ED_OK;
}

void
egress_answer(
    struct flow *f, const struct facts *facts, const struct sip_msg *m, struct reply_spec *s)
{
	struct access *ax = f->ax;
	struct work w;

	if (m->method == SIP_ACK || m->method == SIP_BENOTIFY) {
		count(m->method == SIP_ACK ? CNT_DROP_ACK : CNT_DROP_BENOTIFY);
		return;
	}
	engine_work(ax, &w);
	if (s->status > 100)
		s->to_tag = engine_random(ax) | 1;
	if (egress_text(f, reply_make(&w, facts, m, s), MESSAGE_RESPONSE) < 0) {
		count(CNT_DROP_OUTPUT_FULL);
		return;
	}
	if (s->status >= 300)
		count(counter_of_status(s->status));
}

int
egress_hand_over(struct flow *from, unsigned slot, struct str bytes)
{
	struct access *ax = from->ax;
	struct str msg = {(const char *)ax->sibling_out, SIBLING_HEAD_LEN + bytes.n};
	int r = ED_LIMIT;

	if (bytes.n <= IPC_MSG_MAX - SIBLING_HEAD_LEN) {
		memcpy(ax->sibling_out + SIBLING_HEAD_LEN, bytes.p, bytes.n);
		sibling_head(
		    ax->sibling_out, SIBLING_REQUEST, from->cid, &from->peer, (uint32_t)bytes.n);
		r = ax->ops->to_sibling(ax->net, slot, msg);
	}
	if (r < 0) {
		count(CNT_SIBLING_FAILED);
		return r;
	}
	ax->sibling_seen[slot / 32] |= 1u << slot % 32;
	count(CNT_SIBLING_OUT);
	return ED_OK;
}

void
egress_tell_gone(struct flow *f)
{
	struct access *ax = f->ax;
	struct str msg = {(const char *)ax->sibling_out, SIBLING_HEAD_LEN};

	if (f->cid == 0)
		return;
	sibling_head(ax->sibling_out, SIBLING_GONE, f->cid, NULL, 0);
	for (unsigned slot = 0; slot < 256; slot++)
		if (ax->sibling_seen[slot / 32] & 1u << slot % 32)
			if (ax->ops->to_sibling(ax->net, slot, msg) < 0)
				count(CNT_SIBLING_FAILED);
}

void
egress_probe(struct access *ax, struct nexthop_link *l)
{
	uint64_t id = (engine_random(ax) >> 8) | (uint64_t)ax->slot << 56;
	uint64_t tag = engine_random(ax);
	struct flow *to = l->flow;
	char here[ADDR_STR_LEN], branch[VIA_BRANCH_LEN + 1];
	struct txn_key key = {.hash = id, .check = tag, .cookie = true};
	struct txn *x;
	struct str text;
	struct str host = ax->view->edge_fqdn;
	/* 8.1: a Lync Front End closes a connection that did not negotiate; our probes keep it
	 * alive. */
	struct str offer = ax->view->offer_keep_alive ? keepalive_offer() : STR_NONE;

	if (txn_open(&ax->txns, &key, SIP_OPTIONS, id, ax->now_ms, &x) < 0)
		return; /* a full table is busy enough to show whether the member lives */
	x->probe = true;
	x->mark = (uint32_t)tag;
	snprintf(branch, sizeof(branch), "z9hG4bK%08X.%016llX", x->mark, (unsigned long long)id);
	arena_reset(&ax->arena);
	text = arena_fmt(&ax->arena,
	    "OPTIONS sip:%s:%u;transport=tls SIP/2.0\r\n"
	    "Via: SIP/2.0/TLS %s;branch=%s;branched=FALSE\r\n"
	    "Max-Forwards: 70\r\n"
	    "From: <sip:" STR_FMT ">;tag=%08llx\r\n"
	    "To: <sip:%s:%u;transport=tls>\r\n"
	    "Call-ID: %016llx\r\n"
	    "CSeq: 1 OPTIONS\r\n" STR_FMT "Content-Length: 0\r\n\r\n",
	    l->member->host, l->member->addr.port, addr_str(&to->local, here), branch,
	    STR_ARG(host), (unsigned long long)(tag >> 32), l->member->host, l->member->addr.port,
	    (unsigned long long)engine_random(ax), STR_ARG(offer));
	if (egress_text(to, text, SIP_OPTIONS) < 0) {
		txn_free(&ax->txns, x);
		return;
	}
	txn_sent_on(x, to);
	if (!to->waiting_since_ms)
		to->waiting_since_ms = ax->now_ms;
	count(CNT_PROBES);
}
