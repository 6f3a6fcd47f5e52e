/* SPDX-License-Identifier: MIT
 *
 * supervisor/status.c: what `edgectl status` and `edgectl certs` show of the supervisor's
 * knowledge.
 */
#include <time.h>

#include "conf/check_cert.h"
#include "supervisor/supervisor.h"
#include "svc/json.h"

static void
put_text(struct json *j, const char *key, const char *text)
{
	json_key(j, key);
	json_text(j, str_of(text));
}

static void
put_child(struct json *j, const struct child *c, uint64_t now_ms)
{
	json_next(j);
	json_raw(j, STR("{"));
	put_text(j, "role", role_name(c->role));
	json_key(j, "worker");
	json_fmt(j, "%u", c->worker);
	put_text(j, "state", child_state_name(c->state));
	json_key(j, "pid");
	json_fmt(j, "%d", (int)c->pid);
	json_key(j, "restarts");
	json_fmt(j, "%u", c->restarts);
	json_key(j, "uptime_s");
	json_fmt(j, "%llu", c->pid > 0 ? (unsigned long long)(now_ms - c->started_ms) / 1000 : 0);
	put_text(j, "why", c->why);
	json_key(j, "warnings");
	json_raw(j, STR("["));
	for (size_t i = 0; i < c->n_warnings; i++) {
		json_next(j);
		json_text(j, str_of(c->warnings[i]));
	}
	json_raw(j, STR("]}"));
}

static void
put_listener(struct json *j, const struct listen_spec *l)
{
	char text[ADDR_STR_LEN];

	json_next(j);
	json_raw(j, STR("{"));
	put_text(j, "service", l->name);
	put_text(j, "proto", l->udp ? "udp" : "tcp");
	put_text(j, "address", addr_str(&l->addr, text));
	put_text(j, "interface", l->device);
	put_text(j, "side", strncmp(l->key, "internal.", 9) == 0 ? "internal" : "external");
	json_raw(j, STR("}"));
}

/* What the services open themselves, for the picture (edgectl diagram). */
static void
put_outgoing(struct json *j, const struct conf *c)
{
	json_key(j, "outgoing");
	json_raw(j, STR("{\"next_hop\":"));
	json_text(j, str_of(c->access.next_hop.fqdn));
	json_fmt(j, ",\"next_hop_port\":%u,\"partners\":%s", c->access.next_hop.port,
	    c->access.allow_federated_users ? "true" : "false");
	if (role_is_wanted(c, ROLE_AV))
		json_fmt(j, ",\"relay_port_min\":%u,\"relay_port_max\":%u",
		    c->external.av.relay_port_min, c->external.av.relay_port_max);
	json_raw(j, STR("}"));
}

static void
put_finding(struct json *j, const struct conf_finding *f)
{
	json_next(j);
	json_raw(j, STR("{"));
	put_text(j, "severity", conf_severity_name(f->severity));
	put_text(j, "rule", f->rule);
	put_text(j, "text", f->text ? f->text : "");
	put_text(j, "todo", f->todo ? f->todo : "");
	json_key(j, "lowered");
	json_fmt(j, "%s}", f->lowered ? "true" : "false");
}

void
status_json(struct supervisor *s, struct json *j)
{
	uint64_t now_ms = loop_now_ms(s->loop);

	json_raw(j, STR("{\"ok\":true"));
	put_text(j, "version", EDGED_VERSION);
	put_text(j, "fqdn", s->conf->edge.fqdn);
	put_text(j, "file", s->path);
	json_key(j, "config");
	json_fmt(j, "\"%016llx\"", (unsigned long long)supervisor_conf_hash(s->conf));
	json_key(j, "lab");
	json_fmt(j, "%s", s->conf->edge.lab ? "true" : "false");
	put_text(j, "state", s->stopping ? "stopping" : s->serving ? "serving" : "starting");
	json_key(j, "uptime_s");
	json_fmt(j, "%llu", (unsigned long long)(now_ms - s->started_ms) / 1000);
	json_key(j, "reloads");
	json_fmt(j, "%u", s->reloads);
	json_key(j, "last_reload");
	json_fmt(j, "{\"at\":%lld,\"ok\":%s,\"why\":", (long long)s->reloaded_at,
	    s->reload_ok || !s->reloaded_at ? "true" : "false");
	json_text(j, str_of(s->reload_why));
	json_raw(j, STR("}"));
	json_key(j, "services");
	json_raw(j, STR("["));
	for (size_t i = 0; i < s->n_children; i++)
		put_child(j, &s->children[i], now_ms);
	json_raw(j, STR("]"));
	json_key(j, "listeners");
	json_raw(j, STR("["));
	for (size_t i = 0; i < s->n_specs; i++)
		put_listener(j, &s->specs[i]);
	json_raw(j, STR("]"));
	put_outgoing(j, s->conf);
	json_key(j, "findings");
	json_raw(j, STR("["));
	for (size_t i = 0; i < s->report.n; i++)
		if (s->report.v[i].severity != CONF_INFO)
			put_finding(j, &s->report.v[i]);
	json_raw(j, STR("]}"));
}

static void
put_cert(struct json *j, const char *binding, const struct check_cert_facts *f, int64_t now_s)
{
	json_next(j);
	json_raw(j, STR("{"));
	put_text(j, "binding", binding);
	put_text(j, "subject", f->subject);
	put_text(j, "issuer", f->issuer);
	put_text(j, "serial", f->serial);
	put_text(j, "sha256", f->fingerprint);
	put_text(j, "key", f->key_type);
	json_key(j, "not_before");
	json_fmt(j, "%lld", (long long)f->not_before);
	json_key(j, "not_after");
	json_fmt(j, "%lld", (long long)f->not_after);
	json_key(j, "days_left");
	json_fmt(j, "%lld", (long long)((f->not_after - now_s) / 86400));
	json_key(j, "chain");
	json_fmt(j, "%u", f->n_chain);
	json_key(j, "names");
	json_raw(j, STR("["));
	for (size_t i = 0; i < f->n_names; i++) {
		json_next(j);
		json_text(j, str_of(f->names[i]));
	}
	json_raw(j, STR("]}"));
}

struct certs_sum { /* connections per serial, over all services */
	struct {
		char serial[65];
		uint64_t n;
	} rows[64];
	size_t n_rows;
};

static void
add_count(struct certs_sum *sum, struct json_value row)
{
	char serial[65], n[24];
	uint32_t v = 0;
	size_t i = 0;

	json_plain(json_get(row, "serial"), serial, sizeof(serial));
	json_plain(json_get(row, "connections"), n, sizeof(n));
	while (i < sum->n_rows && strcmp(sum->rows[i].serial, serial) != 0)
		i++;
	if (i == sizeof(sum->rows) / sizeof(sum->rows[0]) || !str_to_u32(str_of(n), UINT32_MAX, &v))
		return;
	if (i == sum->n_rows)
		snprintf(sum->rows[sum->n_rows++].serial, sizeof(serial), "%s", serial);
	sum->rows[i].n += v;
}

static const char *
binding_of(const struct check_cert_facts *f, const char *serial)
{
	for (int b = 0; f && b < BINDING__N; b++)
		if (strcmp(f[b].serial, serial) == 0)
			return conf_binding_name((enum conf_binding)b);
	return "";
}

/* CERT-ALL-04: also those that live on under a certificate that was replaced. */
static void
put_counts(struct json *j, struct str counts, const struct check_cert_facts *f)
{
	struct certs_sum sum = {0};
	struct json_value svc, row;

	while (json_element(&counts, &svc)) {
		struct str it = json_get(json_get(svc, "answer"), "certificates").raw;

		while (json_element(&it, &row))
			add_count(&sum, row);
	}
	json_key(j, "connections");
	json_raw(j, STR("["));
	for (size_t i = 0; i < sum.n_rows; i++) {
		const char *binding = binding_of(f, sum.rows[i].serial);

		json_next(j);
		json_raw(j, STR("{"));
		put_text(j, "serial", sum.rows[i].serial);
		put_text(j, "binding", binding);
		json_key(j, "in_force");
		json_fmt(j, "%s", *binding ? "true" : "false");
		json_key(j, "connections");
		json_fmt(j, "%llu", (unsigned long long)sum.rows[i].n);
		json_raw(j, STR("}"));
	}
	json_raw(j, STR("]"));
}

void
certs_json(struct supervisor *s, struct str counts, struct json *j)
{
	struct check_cert_facts *f = check_certs_read(s->conf, NULL);
	int64_t now_s = (int64_t)time(NULL);

	json_raw(j, STR("{\"ok\":true,\"certificates\":["));
	for (int b = 0; f && b < BINDING__N; b++)
		if (f[b].present)
			put_cert(j, conf_binding_name((enum conf_binding)b), &f[b], now_s);
	json_raw(j, STR("]"));
	put_counts(j, counts, f);
	json_raw(j, STR("}"));
	check_certs_free(f);
}
