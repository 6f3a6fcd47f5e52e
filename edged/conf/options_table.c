/* SPDX-License-Identifier: MIT
 *
 * conf/options_table.c: the rows, in options_*.inc by section. One fact each; the sample file, the
 * manual page and the slices are made from here (conf/options.h tells how).
 */
#include "conf/options.h"

#include "svc/roles.h"

#define A            ROLE_BIT(ROLE_ACCESS)
#define W            ROLE_BIT(ROLE_WEBCONF)
#define AV           ROLE_BIT(ROLE_AV)
#define AUTH         ROLE_BIT(ROLE_AVAUTH)
#define X            ROLE_BIT(ROLE_XMPP)
#define ALL          (ROLE_BIT(ROLE_KEYD) | A | W | AV | AUTH | X)
#define AT(field)    .at = offsetof(struct conf, field)
#define FIRST(field) .at_first = offsetof(struct conf, field)
#define COUNT(field) .at_n = offsetof(struct conf, field)
#define ROW(st, f)   .at = offsetof(struct st, f)
#define N(array)     (sizeof(array) / sizeof((array)[0]))

#define VERIFICATION "always_verifiable|always_unverifiable|use_source"

static const struct conf_opt allowed_rows[] = {
    {.key = "domain",
	.type = CONF_TEXT,
	.def = "",
	ROW(conf_allowed_domain, domain),
	.doc = "SIP domain of the partner."},
    {.key = "proxy_fqdn",
	.type = CONF_TEXT,
	.def = "",
	ROW(conf_allowed_domain, proxy_fqdn),
	.doc = "The partner's Access Edge; empty: found by _sipfederationtls._tcp SRV."},
    {.key = "verification",
	.type = CONF_TEXT,
	.def = "use_source",
	.choices = VERIFICATION,
	ROW(conf_allowed_domain, verification),
	.doc = "How far the partner's statement about its senders is believed."},
    {.key = "subdomains",
	.type = CONF_BOOL,
	.def = "false",
	ROW(conf_allowed_domain, subdomains),
	.doc = "The entry covers domains below this one too."},
};

static const struct conf_opt provider_rows[] = {
    {.key = "name",
	.type = CONF_TEXT,
	.def = "",
	ROW(conf_provider, name),
	.doc = "Name of the entry, for logs."},
    {.key = "proxy_fqdn",
	.type = CONF_TEXT,
	.def = "",
	ROW(conf_provider, proxy_fqdn),
	.doc = "The provider's edge."},
    {.key = "domains",
	.type = CONF_LIST,
	.def = "",
	ROW(conf_provider, domains),
	.doc = "Domains reached through the provider."},
    {.key = "public",
	.type = CONF_BOOL,
	.def = "false",
	ROW(conf_provider, is_public),
	.doc = "A public instant messaging provider, not a hosting provider."},
    {.key = "enabled",
	.type = CONF_BOOL,
	.def = "true",
	ROW(conf_provider, enabled),
	.doc = "Off: the entry is kept and not used."},
    {.key = "shared_address_space",
	.type = CONF_BOOL,
	.def = "false",
	ROW(conf_provider, shared_address_space),
	.doc = "Hybrid: users of our own domains live there."},
    {.key = "verification",
	.type = CONF_TEXT,
	.def = "always_verifiable",
	.choices = VERIFICATION,
	ROW(conf_provider, verification),
	.doc = "How far the provider's statement about its senders is believed."},
};

static const struct conf_opt turn_user_rows[] = {
    {.key = "name",
	.type = CONF_TEXT,
	.def = "",
	ROW(conf_turn_user, name),
	.doc = "TURN long-term user name."},
    {.key = "password",
	.type = CONF_TEXT,
	.def = "",
	.secret = true,
	ROW(conf_turn_user, password),
	.doc = "Password in clear; key is better."},
    {.key = "key",
	.type = CONF_TEXT,
	.def = "",
	.secret = true,
	ROW(conf_turn_user, key),
	.doc = "Hex of MD5(name:realm:password), made by `edgectl turn-key`."},
};

static const struct conf_opt webconf_server_rows[] = {
    {.key = "id",
	.type = CONF_TEXT,
	.def = "",
	ROW(conf_webconf_server, id),
	.doc = "Server id, as tickets name it."},
    {.key = "address",
	.type = CONF_TEXT,
	.def = "",
	ROW(conf_webconf_server, address),
	.doc = "Where it listens: 10.0.0.20:8057."},
    {.key = "fqdn",
	.type = CONF_TEXT,
	.def = "",
	ROW(conf_webconf_server, fqdn),
	.doc = "Name on its certificate."},
    {.key = "name",
	.type = CONF_TEXT,
	.def = "",
	ROW(conf_webconf_server, name),
	.doc = "Host name by which clients ask for it (SNI); may be empty."},
};

static const struct conf_opt connector_server_rows[] = {
    {.key = "id",
	.type = CONF_TEXT,
	.def = "",
	ROW(conf_connector_server, id),
	.doc = "Server id, announced to every edge."},
    {.key = "host",
	.type = CONF_TEXT,
	.def = "",
	ROW(conf_connector_server, host),
	.doc = "Its name or address."},
    {.key = "port",
	.type = CONF_PORT,
	.def = "8057",
	ROW(conf_connector_server, port),
	.doc = "Its port."},
    {.key = "fqdn",
	.type = CONF_TEXT,
	.def = "",
	ROW(conf_connector_server, fqdn),
	.doc = "Name on its certificate; empty: host."},
    {.key = "name",
	.type = CONF_TEXT,
	.def = "",
	ROW(conf_connector_server, name),
	.doc = "Host name by which clients ask for it (SNI); may be empty."},
    {.key = "weight",
	.type = CONF_U32,
	.def = "1",
	.min = 1,
	.max = 1000,
	ROW(conf_connector_server, weight),
	.doc = "Share of new clients among connectors of one server id."},
};

/* A certificate binding: two keys in the file, two fields that the supervisor fills. */
#define CERT(name, roles, rules, chain_example, key_example, what)                                 \
	{.key = "certificates." #name ".chain",                                                    \
	    .type = CONF_TEXT,                                                                     \
	    .def = "",                                                                             \
	    .example = chain_example,                                                              \
	    AT(certificates.name.chain),                                                           \
	    .rule = rules,                                                                         \
	    .takes = CONF_TAKES_NEW_CONNECTIONS,                                                   \
	    .doc = "PEM file: certificate first, then every intermediate. " what},                 \
	    {.key = "certificates." #name ".key",                                                  \
		.type = CONF_TEXT,                                                                 \
		.def = "",                                                                         \
		.example = key_example,                                                            \
		AT(certificates.name.key),                                                         \
		.rule = "CERT-ALL-01",                                                             \
		.takes = CONF_TAKES_NEW_CONNECTIONS,                                               \
		.doc = "PEM file of its private key; read by the supervisor, held by "             \
		       "edged-keyd only."},                                                        \
	    {.key = "certificates." #name ".chain_pem",                                            \
		.type = CONF_TEXT,                                                                 \
		.def = "",                                                                         \
		.filled = true,                                                                    \
		AT(certificates.name.chain_pem),                                                   \
		.slice = roles,                                                                    \
		.takes = CONF_TAKES_NEW_CONNECTIONS,                                               \
		.doc = "Content of chain."},                                                       \
	{                                                                                          \
		.key = "certificates." #name ".slot", .type = CONF_U32, .def = "0",                \
		.filled = true, AT(certificates.name.slot), .slice = roles,                        \
		.takes = CONF_TAKES_NEW_CONNECTIONS, .doc = "Slot of key in edged-keyd."           \
	}

const struct conf_opt conf_opts[] = {
#include "conf/options_place.inc"
#include "conf/options_sip.inc"
#include "conf/options_av.inc"
#include "conf/options_webconf.inc"
    {.key = "log.target",
	.type = CONF_TEXT,
	.def = "syslog",
	.choices = "syslog|stderr|journal",
	AT(log.target),
	.rule = "LOG-01",
	.slice = ALL,
	.takes = CONF_TAKES_RESTART,
	.doc = "Where log lines go."},
    {.key = "log.facility",
	.type = CONF_TEXT,
	.def = "daemon",
	.choices =
	    "daemon|user|auth|authpriv|local0|local1|local2|local3|local4|local5|local6|local7",
	AT(log.facility),
	.slice = ALL,
	.takes = CONF_TAKES_RESTART,
	.doc = "Facility of syslog."},
    {.key = "log.level",
	.type = CONF_TEXT,
	.def = "info",
	.choices = "error|warning|notice|info|debug",
	AT(log.level),
	.rule = "LOG-06",
	.slice = ALL,
	.takes = CONF_TAKES_NOW,
	.doc = "Least severe lines that are written."},
    {.key = "metrics.listen",
	.type = CONF_TEXT,
	.def = "",
	AT(metrics.listen),
	.rule = "CNT-03",
	.takes = CONF_TAKES_RESTART,
	.doc = "Prometheus: \"127.0.0.1:9464\" or \"unix:/run/edged/metrics\". Empty: off."},
    {.key = "control.socket",
	.type = CONF_TEXT,
	.def = "/run/edged/control.sock",
	AT(control.socket),
	.takes = CONF_TAKES_RESTART,
	.doc = "Socket of edgectl, mode 0600."},
    {.key = "dns.servers",
	.type = CONF_LIST,
	.def = "",
	AT(dns.servers),
	.rule = "DNS-01, DNS-02",
	.slice = A | X,
	.takes = CONF_TAKES_RESTART,
	.doc = "Resolvers as \"address\" or \"address:port\"; empty: those of resolv.conf. One "
	       "behind the external interface is asked from the Access address, any other (on this "
	       "machine, inside) from the address that the kernel takes."},
};

const size_t conf_n_opts = N(conf_opts);
