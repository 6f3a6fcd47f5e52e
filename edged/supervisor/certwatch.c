/* SPDX-License-Identifier: MIT
 *
 * supervisor/certwatch.c: certificates that change on disk are taken over without a command
 * (CERT-ALL-03), and those that end are told in time (CERT-ALL-02).
 *
 * The files are looked at every WATCH_MS. A change is taken once the files have stood still for one
 * look, so that chain and key, replaced one after the other, come together. A set that does not fit
 * is refused as any reload is, and tried again when a file changes the next time.
 */
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include "conf/check_cert.h"
#include "supervisor/supervisor.h"
#include "svc/log.h"

#define WATCH_MS 1500u

struct certwatch {
	struct supervisor *sup;
	struct timer timer;
	uint64_t taken; /* state of the files that is in force, or was refused */
	uint64_t seen;  /* at the last look */
	int64_t told_hour;
	int64_t told_days_left[BINDING__N];
};

static uint64_t
mix(const struct supervisor *s, uint64_t h, const char *path)
{
	struct stat st;
	uint64_t v[4] = {h, 0, 0, 0};

	if (*path && stat(path, &st) == 0) {
		v[1] = (uint64_t)st.st_mtim.tv_sec * 1000000000u + (uint64_t)st.st_mtim.tv_nsec;
		v[2] = (uint64_t)st.st_size;
		v[3] = (uint64_t)st.st_ino;
	}
	return hash_bytes(&s->hash_key, v, sizeof(v));
}

/* One number for the state of all files. */
static uint64_t
look(const struct supervisor *s)
{
	uint64_t h = 0;

	for (int b = 0; b < BINDING__N; b++) {
		const struct conf_cert *c = conf_binding_cert(s->conf, (enum conf_binding)b);

		h = mix(s, h, c->chain);
		h = mix(s, h, c->key);
	}
	h = mix(s, h, s->conf->certificates.external_trust);
	h = mix(s, h, s->conf->certificates.external_crl);
	return mix(s, h, s->conf->certificates.internal_trust);
}

/* CERT-ALL-02: at 30, 14, 7, 3, 1 days, and each day after the end. */
static bool
is_day_to_tell(int64_t days_left)
{
	static const int64_t days[] = {30, 14, 7, 3, 1};

	for (size_t i = 0; i < sizeof(days) / sizeof(days[0]); i++)
		if (days_left == days[i])
			return true;
	return days_left < 0;
}

static void
tell_one(struct certwatch *cw, enum conf_binding b, const struct check_cert_facts *f, int64_t now_s)
{
	int64_t left_s = f->not_after - now_s;
	int64_t days = left_s >= 0 ? left_s / 86400 : -1 - (-left_s / 86400);

	if (!f->parsed || cw->told_days_left[b] == days || !is_day_to_tell(days))
		return;
	cw->told_days_left[b] = days;
	if (days < 0)
		log_error(AREA_CERT, "CRT-1102", "certificate_expired",
		    "binding=%s serial=%s hint=\"replace the files, no restart needed\"",
		    conf_binding_name(b), f->serial);
	else
		log_warning(AREA_CERT, "CRT-1101", "certificate_expires",
		    "binding=%s serial=%s days=%lld", conf_binding_name(b), f->serial,
		    (long long)days);
}

static void
tell_ends(struct certwatch *cw)
{
	int64_t now_s = (int64_t)time(NULL);
	struct check_cert_facts *f;

	if (cw->told_hour == now_s / 3600) /* once an hour is enough to meet every day */
		return;
	cw->told_hour = now_s / 3600;
	f = check_certs_read(cw->sup->conf, NULL);
	for (int b = 0; f && b < BINDING__N; b++)
		tell_one(cw, (enum conf_binding)b, &f[b], now_s);
	check_certs_free(f);
}

static void
on_timer(struct timer *t, uint64_t now_ms)
{
	struct certwatch *cw = LIST_OF(t, struct certwatch, timer);
	struct supervisor *s = cw->sup;
	uint64_t now = look(s);

	tell_ends(cw);
	if (s->stopping || s->draining)
		return;
	/* A reload by command may have taken them meanwhile: then this one changes nothing. */
	if (now != cw->taken && now == cw->seen && !s->reload) {
		cw->taken = now;
		reload_begin(s, RELOAD_CERTIFICATES, NULL);
	}
	cw->seen = now;
	timer_set(s->loop, t, now_ms + WATCH_MS);
}

void
certwatch_start(struct supervisor *s)
{
	struct certwatch *cw = calloc(1, sizeof(*cw));

	if (!cw)
		return;
	cw->sup = s;
	cw->taken = cw->seen = look(s);
	timer_init(&cw->timer, on_timer);
	s->certwatch = cw;
	timer_set(s->loop, &cw->timer, loop_now_ms(s->loop) + WATCH_MS);
}

void
certwatch_stop(struct supervisor *s)
{
	if (!s->certwatch)
		return;
	timer_cancel(&s->certwatch->timer);
	free(s->certwatch);
	s->certwatch = NULL;
}
