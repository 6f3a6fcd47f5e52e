/* SPDX-License-Identifier: MIT
 *
 * ctl/top.c
 */
#include "ctl/top.h"

#include <stdlib.h>
#include <string.h>

#define NAME_LEN 160u
#define MBIT     (8.0 / 1e6)

const struct top_row top_rows[] = {
    {"access", "clients", "connections of clients", "edged_sip_connections", "kind=\"client\"",
	false, 0},
    {"access", "signed_in", "of these signed in", "edged_sip_signed_in", NULL, false, 0},
    {"access", "partners", "connections of partners", "edged_sip_connections", "kind=\"partner\"",
	false, 0},
    {"access", "next_hop_links", "links to the next hop", "edged_sip_connections",
	"kind=\"next_hop\"", false, 0},
    {"access", "transactions", "transactions open", "edged_sip_transactions", NULL, false, 0},
    {"access", "messages_from_outside", "messages/s from outside", "edged_sip_messages_total",
	"dir=\"in\",side=\"external\"", true, 0},
    {"access", "messages_from_inside", "messages/s from inside", "edged_sip_messages_total",
	"dir=\"in\",side=\"internal\"", true, 0},
    {"access", "requests_dropped", "requests/s not passed", "edged_sip_requests_dropped_total",
	NULL, true, 0},
    {"access", "unknown_domain", "requests/s of unknown domains", "edged_sip_dropped_total",
	"reason=\"unknown_domain\"", true, 0},
    {"access", "connections_refused", "connections/s refused",
	"edged_sip_connections_refused_total", NULL, true, 0},
    {"access", "handshakes_failed", "TLS handshakes/s failed", "edged_tls_handshake_failures_total",
	NULL, true, 0},
    {"access", "watchlisted", "partners on the watch list", "edged_federation_watchlisted", NULL,
	false, 0},
    {"webconf", "participants", "participants", "edged_psom_clients", NULL, false, 0},
    {"webconf", "server_links", "links from inside", "edged_psom_server_connections", NULL, false,
	0},
    {"webconf", "mbit_in", "Mbit/s from participants", "edged_psom_octets_total", "dir=\"in\"",
	true, MBIT},
    {"webconf", "mbit_out", "Mbit/s to participants", "edged_psom_octets_total", "dir=\"out\"",
	true, MBIT},
    {"webconf", "refused", "admissions/s refused", "edged_psom_admissions_refused_total", NULL,
	true, 0},
    {"av", "allocations", "allocations", "edged_av_allocations", NULL, false, 0},
    {"av", "ports_in_use", "relay ports in use", "edged_av_ports_in_use", NULL, false, 0},
    {"av", "packets", "packets/s relayed", "edged_av_packets_total", NULL, true, 0},
    {"av", "mbit", "Mbit/s relayed", "edged_av_bytes_total", NULL, true, MBIT},
    {"av", "packets_dropped", "packets/s dropped", "edged_av_packets_dropped_total", NULL, true, 0},
    {"av", "authentication_failures", "wrong credentials/s",
	"edged_av_authentication_failures_total", NULL, true, 0},
    {"avauth", "credentials", "credentials/s issued", "edged_mras_credentials_total", NULL, true,
	0},
    {"keyd", "signatures", "signatures/s", "edged_keyd_operations_total", "op=\"sign\"", true, 0},
    {"keyd", "refused", "requests/s refused", "edged_keyd_refused_total", NULL, true, 0},
};
const size_t top_n_rows = sizeof(top_rows) / sizeof(top_rows[0]);

double
top_sum(struct json_value stats, const char *metric, const char *label)
{
	struct str it = json_get(stats, "stats").raw;
	size_t n = strlen(metric);
	struct json_value r;
	double sum = 0;

	while (json_element(&it, &r)) {
		char name[NAME_LEN], value[32];

		json_plain(json_get(r, "name"), name, sizeof(name));
		if (strncmp(name, metric, n) != 0 || (name[n] != '\0' && name[n] != '{') ||
		    (label && !strstr(name + n, label)))
			continue;
		sum += strtod(json_plain(json_get(r, "value"), value, sizeof(value)), NULL);
	}
	return sum;
}

double
top_value(
    const struct top_row *row, struct json_value before, struct json_value now, double interval_s)
{
	double v = top_sum(now, row->metric, row->label);
	double factor = row->factor != 0 ? row->factor : 1;

	if (row->rate) {
		double old = top_sum(before, row->metric, row->label);

		v = (v >= old ? v - old : v) / (interval_s > 0 ? interval_s : 1);
	}
	return v * factor;
}

bool
top_has_role(struct json_value status, const char *role)
{
	struct str it = json_get(status, "services").raw;
	struct json_value s;
	char text[24];

	while (json_element(&it, &s))
		if (strcmp(json_plain(json_get(s, "role"), text, sizeof(text)), role) == 0)
			return true;
	return false;
}

void
top_json(struct json_value status, struct json_value before, struct json_value now,
    double interval_s, FILE *out)
{
	const char *open = NULL;

	fprintf(out, "{\"ok\":true,\"interval_s\":%.3f,\"figures\":{", interval_s);
	for (size_t i = 0; i < top_n_rows; i++) {
		const struct top_row *r = &top_rows[i];

		if (!top_has_role(status, r->role))
			continue;
		if (!open || strcmp(open, r->role) != 0)
			fprintf(out, "%s\"%s\":{", open ? "}," : "", r->role);
		else
			putc(',', out);
		open = r->role;
		fprintf(out, "\"%s\":%.3f", r->key, top_value(r, before, now, interval_s));
	}
	fputs(open ? "}}}\n" : "}}\n", out);
}

const char *
top_number(double v, char *buf, size_t room)
{
	snprintf(buf, room, v >= 100 || v == (double)(long long)v ? "%.0f" : "%.1f", v);
	return buf;
}
