/* SPDX-License-Identifier: MIT
 *
 * conf/conf.h: the configuration as the rooms see it: one struct, filled by conf/load.c (file) or
 * by conf/slice.c (what the supervisor sent). One row in conf/options.c for each field.
 *
 * All text is owned by the conf (its arena) and NUL-terminated. A conf never changes after it was
 * made; a reload makes another. A role sees only the rows of its slice; other fields are empty.
 */
#ifndef EDGED_CONF_CONF_H
#define EDGED_CONF_CONF_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/arena.h"

struct conf_list { /* of texts */
	const char **v;
	uint32_t n;
};

struct conf_cert {
	const char *chain; /* path; in a slice: empty */
	const char *key;   /* path; only supervisor reads it */
	const char *effective;
	/* Filled by the supervisor when it reads the files; sent in slices. Empty: no such binding.
	 */
	const char *chain_pem;
	uint32_t slot; /* number under which keyd holds the key (svc/keyplan.h) */
};

struct conf_host_port {
	const char *host;
	uint16_t port;
};

struct conf_allowed_domain {
	const char *domain;
	const char *proxy_fqdn;
	const char *verification; /* always_verifiable | always_unverifiable | use_source */
	bool subdomains;
};

struct conf_provider {
	const char *name;
	const char *proxy_fqdn;
	struct conf_list domains;
	bool is_public; /* key: public */
	bool enabled;
	bool shared_address_space;
	const char *verification;
};

struct conf_turn_user {
	const char *name;
	const char *password;
	const char *key; /* hex of MD5(name:realm:password) */
};

struct conf_place; /* where in the file a key stands */

struct conf_webconf_server { /* a conferencing server that we dial */
	const char *id;
	const char *address; /* "10.0.0.20:8057" */
	const char *fqdn;    /* on its certificate */
	const char *name;    /* host name by which clients ask for it; may be empty */
};

struct conf_webconf_limits {
	uint32_t clients, clients_warn, clients_per_address, failures_per_minute, refuse_s,
	    connections_per_s, connections_burst, connections_per_minute, clients_per_link, links,
	    tickets, first_flight, stream_buffer_kb, buffer_high_mb, buffer_low_mb, rate_kbit,
	    rate_down_kbit, tls_handshake_ms, admit_ms, open_ms, first_octet_ms, idle_s,
	    half_open_s, slow_s, lifetime_s, drain_s, ping_s, ticket_life_s;
};

struct conf_connector_server { /* a conferencing server that the connector dials */
	const char *id;
	const char *host; /* name or address */
	uint16_t port;
	const char *fqdn; /* on its certificate; empty: host */
	const char *name; /* announced: host name by which clients ask for it; may be empty */
	uint32_t weight;
};

struct conf {
	struct arena arena;
	struct {
		const char *fqdn;
		struct conf_list sip_domains;
		bool lab;
		const char *pool_secret; /* path */
		const char *pool_fqdn;   /* empty: a single edge */
		const char *user_prefix; /* system users are PREFIX-access, PREFIX-keyd, ... */
		const char *run_dir;     /* roots of the services; empty: where control.socket is */
	} edge;
	struct {
		const char *interface;
		struct {
			const char *address; /* the first of addresses */
			struct conf_list addresses;
			const char *fqdn;
			uint16_t client_port, federation_port;
		} access;
		struct {
			const char *address; /* the first of addresses */
			struct conf_list addresses;
			const char *fqdn;
			uint16_t port;
		} webconf;
		struct {
			struct conf_list address, public_address;
			const char *fqdn;
			uint16_t udp_port, tcp_port, tls_port, relay_port_min, relay_port_max,
			    standard_tcp_port;
		} av;
	} external;
	struct {
		const char *interface;
		const char *address; /* the first of addresses */
		struct conf_list addresses;
		uint16_t sip_port, mras_port, webconf_port, av_udp_port, av_tcp_port, xmpp_port;
		struct conf_list networks, trusted_servers, domains;
	} internal;
	struct {
		struct conf_cert external, external_ecdsa, internal, av_auth, av_auth_next;
		const char *external_trust, *internal_trust, *external_crl; /* paths */
		const char *external_trust_pem, *internal_trust_pem, *external_crl_pem;
	} certificates;
	struct {
		struct {
			const char *fqdn;
			uint16_t port;
			struct conf_list members;
			uint32_t links;             /* standing MTLS links per worker and member */
			uint32_t probe_interval_ms; /* OPTIONS */
			bool lync_front_end;        /* offer ms-keep-alive to it */
		} next_hop;
		uint32_t workers; /* 0: one per core */
		bool allow_outside_users, allow_federated_users, allow_anonymous_users, block_ntlm,
		    enable_partner_discovery, require_registration, next_hop_path;
		const char *hide_topology;       /* all | partners | none */
		const char *rr_mode;             /* double | single */
		const char *trust_internet_user; /* verified | unverified */
		struct {
			uint32_t failures, window_s, lock_s;
		} soft_lock;
		struct {
			uint32_t connections, connections_per_address, half_open,
			    handshakes_per_minute, handshake_ms, header_ms, body_ms,
			    first_message_ms, sign_in_ms, keep_alive_s, output_bytes,
			    client_body_kb, server_body_kb, transactions, unsigned_requests_per_s,
			    registers_per_minute;
		} limits;
		const char *min_tls; /* 1.2 | 1.3 */
	} access;
	struct {
		struct conf_allowed_domain *allowed;
		uint32_t n_allowed;
		struct conf_list blocked;
		struct conf_provider *providers;
		uint32_t n_providers;
		const char *crl_check; /* off | soft | hard */
		bool crl_fetch, require_client_usage, accept_common_name, mark_source_verifiable;
		uint32_t outgoing_tls_count, discovered_rate, discovered_contacts,
		    discovered_window_min;
	} federation;
	struct {
		const char *realm;
		struct conf_turn_user *users;
		uint32_t n_users;
		const char *shared_secret;
		const char *inside_peers;
		uint32_t max_datagram;
		uint32_t workers;
		uint32_t token_lifetime_s;
		bool io_uring, kernel_relay;
		uint32_t coalesce_us;
		struct conf_list allowed_peers; /* beside inside_peers, from every leg */
		bool loopback_peers, tcp_allocations;
		struct {
			uint32_t allocations_per_user, allocations_per_address, kbit_per_port,
			    kbit_per_user, challenges_per_s, lifetime_s, refresh_grace_s;
		} limits;
	} av;
	struct {
		struct {
			const char *mode; /* link | dial */
			struct conf_webconf_server *servers;
			uint32_t n_servers;
			const char *proxy_protocol; /* none | before_tls | inside_tls */
		} inside;
		const char *admission; /* none | sni-ticket | preface */
		const char *ticket_suffix;
		const char *default_server;
		const char *framing; /* opaque | lenprefix ... */
		struct conf_webconf_limits limits;
	} webconf;
	struct {                        /* read by edged-connector only, on a machine inside */
		struct conf_list edges; /* "host[:port]" */
		struct conf_cert certificate;
		const char *edge_trust, *server_trust; /* paths */
		struct conf_connector_server *servers;
		uint32_t n_servers;
		const char *control; /* socket */
		uint32_t links;      /* per edge */
		uint32_t tickets, retry_ms, connect_ms, ping_s, drain_s;
	} connector;
	struct {
		const char *target, *facility, *level;
	} log;
	struct {
		const char *listen;
	} metrics;
	struct {
		const char *socket;
	} control;
	struct {
		struct conf_list servers; /* "ip[:port]"; empty: resolv.conf */
	} dns;
	struct conf_place *places; /* newest first; conf_place_of (conf/load.h) */
};

/* Empty: every row at its default, texts "". NULL without memory. */
struct conf *conf_new(void);
struct conf *conf_free(struct conf *c);
/* Every row of c, places left out. NULL without memory. */
struct conf *conf_copy(const struct conf *c);

#endif
