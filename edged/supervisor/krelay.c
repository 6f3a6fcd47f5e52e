/* SPDX-License-Identifier: MIT
 *
 * supervisor/krelay.c: av.kernel_relay: which addresses on which interfaces, who gets the maps, and
 * what happens when a worker dies. Whatever is missing, user space relays: one warning says so.
 */
#include "supervisor/krelay.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <string.h>

#include "net/ipc.h"
#include "net/nic.h"
#include "supervisor/supervisor.h"
#include "svc/log.h"
#include "svc/svc.h"
#include "svc/wire.h"

/* Each UDP listener of the A/V Edge is a leg; relayed addresses are the external ones. */
static int
add_leg(struct krelay_conf *conf, unsigned *n, const struct listen_spec *spec, const char **ret_why)
{
	struct krelay_leg *leg = &conf->leg[*n];
	uint32_t mtu;

	*ret_why = "external.interface and internal.interface must be set";
	if (!*spec->device)
		return ED_STATE;
	*ret_why = "an interface does not exist";
	leg->ifindex = if_nametoindex(spec->device);
	if (!leg->ifindex)
		return ED_STATE;
	*ret_why = "an interface is not Ethernet";
	if (!nic_is_ethernet(spec->device))
		return ED_UNSUPPORTED;
	*ret_why = "too many addresses";
	if (++*n >= KRELAY_LEGS)
		return ED_LIMIT;
	mtu = nic_mtu(spec->device);
	leg->mtu = mtu < UINT16_MAX ? (uint16_t)mtu : UINT16_MAX;
	leg->family = spec->addr.family;
	leg->listener = htons(spec->addr.port);
	leg->is_relay = spec->kind == SVC_LISTEN_AV_UDP_EXTERNAL;
	memcpy(leg->addr, spec->addr.ip, spec->addr.family == 4 ? 4 : 16);
	return ED_OK;
}

static int
configure(const struct supervisor *s, struct krelay_conf *ret, const char **ret_why)
{
	unsigned n = 0;

	*ret = (struct krelay_conf){.relay_min = s->conf->external.av.relay_port_min,
	    .relay_max = s->conf->external.av.relay_port_max};
	for (size_t i = 0; i < s->n_specs; i++) {
		const struct listen_spec *spec = &s->specs[i];
		int r;

		if (spec->kind != SVC_LISTEN_AV_UDP_EXTERNAL &&
		    spec->kind != SVC_LISTEN_AV_UDP_INTERNAL)
			continue;
		r = add_leg(ret, &n, spec, ret_why);
		if (r < 0)
			return r;
	}
	*ret_why = "the A/V Edge has no UDP port";
	return n ? ED_OK : ED_STATE;
}

static int
load(struct supervisor *s, const char **ret_why)
{
	struct krelay_conf conf;
	int r = configure(s, &conf, ret_why);

	if (r == ED_OK)
		r = krelay_open(&conf, &s->krelay, ret_why);
	for (unsigned i = 0; r == ED_OK && i < KRELAY_LEGS && conf.leg[i].ifindex; i++)
		r = krelay_attach(s->krelay, conf.leg[i].ifindex, ret_why);
	if (r < 0)
		s->krelay = krelay_close(s->krelay);
	return r;
}

void
krelay_load(struct supervisor *s)
{
	const char *why;

	if (!s->conf->av.kernel_relay || !role_is_wanted(s->conf, ROLE_AV))
		return;
	if (load(s, &why) == ED_OK) {
		log_notice(AREA_TURN, "AVR-5012", "kernel_relay", "state=on");
		return;
	}
	log_warning(AREA_TURN, "AVR-5011", "kernel_relay_refused",
	    "why=\"%s\" instead=\"user space\" lost=speed", why);
	conf_report_add(&s->report, s->conf, CONF_WARNING, "KERNEL", NULL, "av.kernel_relay",
	    "the kernel relays nothing: %s; user space does", why);
}

void
krelay_unload(struct supervisor *s)
{
	s->krelay = krelay_close(s->krelay);
}

void
krelay_hand_out(struct child *c)
{
	struct supervisor *s = c->sup;
	uint8_t b[sizeof(struct krelay_conf) + 64];
	struct ipc_writer w = {.p = b, .room = sizeof(b)};
	int fds[2];

	if (!s->krelay || c->role != ROLE_AV || c->worker >= KRELAY_WORKERS)
		return;
	fds[0] = krelay_map_fd(s->krelay, "krelay_flows");
	fds[1] = krelay_map_fd(s->krelay, "krelay_accounts");
	ipc_put_u8(&w, WIRE_KRELAY);
	ipc_put_u32(&w, krelay_epoch(s->krelay, c->worker));
	ipc_put_str(
	    &w, (struct str){(const char *)krelay_conf_of(s->krelay), sizeof(struct krelay_conf)});
	child_say(c, (struct str){(char *)b, w.n}, fds, 2);
}

void
krelay_on_death(const struct child *c)
{
	if (c->sup->krelay && c->role == ROLE_AV && c->worker < KRELAY_WORKERS)
		krelay_end_epoch(c->sup->krelay, c->worker);
}
