/* SPDX-License-Identifier: MIT
 *
 * access/keepalive.c: see keepalive.h.
 */
#include "access/keepalive.h"

#include "access/text.h"
#include "sipparse/msg.h"
#include "sipparse/uri.h"

#define TIMEOUT_MAX_S 86400u
#define IDLE_SPARE_S  30u

bool
keepalive_read(const struct sip_msg *m, struct keepalive *ret)
{
	struct str value = sip_msg_value(m, SIP_HDR_MS_KEEP_ALIVE), role;
	struct keepalive k = {0};
	struct sip_param p;
	uint32_t pos = 0;
	ptrdiff_t semi;
	int r;

	if (m->count[SIP_HDR_MS_KEEP_ALIVE] != 1)
		return false;
	semi = str_find(value, ';');
	role = str_trim(semi < 0 ? value : str_first(value, (size_t)semi));
	if (str_eq_nocase(role, STR("UAS")))
		k.is_uas = true;
	else if (!str_eq_nocase(role, STR("UAC")))
		return false;
	value = semi < 0 ? STR("") : str_from(value, (size_t)semi);
	while ((r = sip_param_next(value, &pos, &p)) == 1) {
		if (str_eq_nocase(p.name, STR("hop-hop")))
			k.hop_hop = str_eq_nocase(p.value, STR("yes"));
		else if (str_eq_nocase(p.name, STR("timeout")) &&
			 !str_to_u32(p.value, TIMEOUT_MAX_S, &k.timeout_s))
			return false;
	}
	if (r < 0)
		return false;
	*ret = k;
	return true;
}

struct str
keepalive_answer(const struct work *w)
{
	struct text t = text_start(w->arena, 96);

	text_put(&t, STR("ms-keep-alive: UAS; tcp=no; hop-hop=yes; end-end=no; timeout="));
	text_put_u32(&t, w->view->keep_alive_s);
	text_put(&t, STR("\r\n"));
	return text_done(&t);
}

struct str
keepalive_offer(void)
{
	return STR("ms-keep-alive: UAC;hop-hop=yes\r\n");
}

uint32_t
keepalive_idle_s(const struct view *v)
{
	return 2 * v->keep_alive_s + IDLE_SPARE_S;
}
