/* SPDX-License-Identifier: MIT
 *
 * edged-connector: reads its section of a configuration file, dials the edges, runs until SIGTERM
 * (then it says GOAWAY and serves clients under way for connector.drain_s). SIGHUP reads
 * certificates again.
 */
#include <event2/event.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "conf/conf.h"
#include "conf/load.h"
#include "connector/connector.h"
#include "net/loop.h"
#include "svc/log.h"
#include "svc/notify.h"

enum { EXIT_CONFIG = 78 };

/* After the drain: for what was written to the last clients and their servers. */
#define CLOSE_MS 5000u

struct program {
	struct loop *loop;
	struct connector *k;
	struct timer timer, alive;
	uint64_t until_ms;
};

static void
on_alive(struct timer *t, uint64_t now_ms)
{
	struct program *p = LIST_OF(t, struct program, alive);

	notify_state("WATCHDOG=1");
	timer_set(p->loop, t, now_ms + NOTIFY_MS);
}

static void
on_leave_tick(struct timer *t, uint64_t now_ms)
{
	struct program *p = LIST_OF(t, struct program, timer);

	if (now_ms >= p->until_ms)
		connector_close(p->k);
	if (connector_is_over(p->k) || now_ms >= p->until_ms + CLOSE_MS)
		loop_stop(p->loop);
	else
		timer_set(p->loop, t, now_ms + 100);
}

static void
on_term(evutil_socket_t sig, short what, void *arg)
{
	struct program *p = arg;

	if (p->k->leaving) { /* asked twice: at once */
		p->until_ms = loop_now_ms(p->loop);
		timer_set(p->loop, &p->timer, p->until_ms);
		return;
	}
	log_notice(
	    AREA_WEBCONF, "CON-9010", "connector_leaving", "clients=%u", connector_clients(p->k));
	notify_state("STOPPING=1");
	connector_leave(p->k);
	p->until_ms = loop_now_ms(p->loop) + p->k->conf->connector.drain_s * 1000ull;
	/* A moment for the GOAWAY, even without clients. */
	timer_set(p->loop, &p->timer, loop_now_ms(p->loop) + 100);
}

static void
on_hup(evutil_socket_t sig, short what, void *arg)
{
	struct program *p = arg;
	const char *why = "";

	if (connector_reload(p->k, &why) < 0)
		log_error(AREA_WEBCONF, "CON-9011", "connector_reload_failed", "why=\"%s\"", why);
	else
		log_notice(AREA_WEBCONF, "CON-9012", "connector_reloaded", "clients=%u",
		    connector_clients(p->k));
}

static int
run(const struct conf *conf)
{
	struct program p = {0};
	struct event *ev[3] = {NULL};
	const char *why = "out of memory";
	int r = EXIT_CONFIG;

	p.loop = loop_new();
	timer_init(&p.timer, on_leave_tick);
	timer_init(&p.alive, on_alive);
	p.k = p.loop ? connector_new(p.loop, conf, &why) : NULL;
	if (!p.k) {
		fprintf(stderr, "edged-connector: %s\n", why);
		goto out;
	}
	ev[0] = evsignal_new(loop_base(p.loop), SIGTERM, on_term, &p);
	ev[1] = evsignal_new(loop_base(p.loop), SIGINT, on_term, &p);
	ev[2] = evsignal_new(loop_base(p.loop), SIGHUP, on_hup, &p);
	for (int i = 0; i < 3; i++)
		if (!ev[i] || event_add(ev[i], NULL) < 0)
			goto out;
	log_notice(AREA_WEBCONF, "CON-9000", "connector_started", "edges=%u servers=%u version=%s",
	    p.k->n_edges, p.k->n_servers, EDGED_VERSION);
	timer_set(p.loop, &p.alive, loop_now_ms(p.loop) + NOTIFY_MS);
	notify_state("READY=1");
	r = loop_run(p.loop) == ED_OK ? 0 : 1;
out:
	for (int i = 0; i < 3; i++)
		if (ev[i])
			event_free(ev[i]);
	connector_free(p.k);
	loop_free(p.loop);
	return r;
}

/* It holds a key: no core dumps, no new privileges, as many descriptors as it may have. */
static void
harden(void)
{
	struct rlimit none = {0, 0}, files;

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	setrlimit(RLIMIT_CORE, &none);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	signal(SIGPIPE, SIG_IGN);
}

int
main(int argc, char **argv)
{
	const char *path = "/etc/edged/connector.conf";
	struct conf_report report = {0};
	struct conf *conf = NULL;
	bool check = false;
	int opt, r = 1;

	while ((opt = getopt(argc, argv, "c:nV")) != -1) {
		switch (opt) {
		case 'c':
			path = optarg;
			break;
		case 'n':
			check = true;
			break;
		case 'V':
			puts("edged-connector " EDGED_VERSION);
			return 0;
		default:
			fputs("usage: edged-connector [-n] [-c FILE] | -V\n", stderr);
			return 2;
		}
	}
	harden();
	if (conf_load(path, &conf, &report) < 0 || report.n_errors) {
		conf_report_print(&report, stderr);
		r = check ? 1 : EXIT_CONFIG;
	} else if (check) {
		r = 0;
	} else {
		struct log_conf lc = {.target = conf->log.target,
		    .facility = conf->log.facility,
		    .level = conf->log.level,
		    .program = "edged-connector"};

		(void)log_open(&lc);
		r = run(conf);
	}
	conf_report_done(&report);
	conf_free(conf);
	return r;
}
