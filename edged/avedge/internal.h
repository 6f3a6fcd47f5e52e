/* SPDX-License-Identifier: MIT
 *
 * avedge/internal.h: shared by the files of this room only.
 */
#ifndef EDGED_AVEDGE_INTERNAL_H
#define EDGED_AVEDGE_INTERNAL_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include "avedge/ports.h"
#include "base/list.h"
#include "net/listener.h"
#include "net/loop.h"
#include "net/udp.h"
#include "proto/turn/server.h"
#include "svc/svc.h"

struct avedge;
struct admit;   /* net/admit.h */
struct client;  /* client.c: a TCP client */
struct joint;   /* joint.c */
struct krelay;  /* krelay/flows.h */
struct stream;  /* net/stream.h */
struct tls_ctx; /* net/tls.h */

enum av_tls { AV_TLS_NEVER, AV_TLS_TOO, AV_TLS_ONLY };

struct av_listener {
	struct avedge *av;
	struct udp_socket *udp; /* one of the two */
	struct listener *tcp;
	uint8_t index; /* row of turn_conf.listeners */
	uint8_t tls;   /* enum av_tls, of TCP */
};

#define AV_EARLY_MAX 4u

/* A relayed transport address: what turn_act.relay points to. */
struct av_relay {
	struct avedge *av;
	struct turn_allocation *a; /* NULL: reserved */
	struct udp_socket *udp;    /* datagrams */
	struct listener *listen;   /* or streams (MS dialect over TCP) */
	struct list peers;         /* struct peer, peer.c */
	struct list joints;        /* struct joint, joint.c: RFC 6062 */
	struct list fast;          /* struct fast_flow, kernel.c */
	uint32_t n_fast;
	struct addr bound;
	uint32_t n_peers;
	/* Connections that came before the client's Send to their address; peer.c. */
	struct {
		int fd;
		struct addr from;
	} early[AV_EARLY_MAX];
	uint32_t n_early;
	struct timer early_until;
	struct timer throttle; /* set: its streams are not read; throttle.c */
	uint32_t conn;         /* of the client, for streams */
	uint8_t transport;
};

struct avedge {
	struct svc *svc;
	struct loop *loop;
	struct turn_server *server;
	struct udp *udp;
	struct ports *ports;
	struct av_listener listeners[TURN_LISTENERS];
	uint8_t n_listeners;
	struct turn_listener listen_at[TURN_LISTENERS]; /* as bound */
	struct addr own[TURN_POLICY_OWN]; /* of this machine, as they were at the start */
	uint32_t n_own;
	uint32_t mtu;             /* of the external interface */
	char device[IF_NAMESIZE]; /* its name; a copy: a reload ends the configuration */
	struct turn_conf conf, next_conf;
	struct tls_ctx *tls, *next_tls; /* NULL: external.av.tls_port is 0 */
	struct timer tick;
	struct turn_acts acts; /* of the call under way */
	struct pkt_pool *big;  /* frames of streams */
	struct admit *admit;
	struct list clients;       /* TCP, oldest first */
	struct client **by_number; /* conn number -> client; grown */
	uint32_t n_clients, room_clients, next_client, n_without;
	uint64_t stream_dropped; /* datagrams for a TCP client that does not read */
	struct krelay *kernel;   /* NULL: user space relays everything */
	uint64_t kernel_packets[2], kernel_refused, kernel_at_ms;
	uint32_t n_kernel; /* flows entered */
	bool draining, has_ring;
};

/* setup.c */
int avedge_turn_conf(struct avedge *av, const struct conf *conf, struct turn_conf *ret,
    const char **ret_why) ED_MUST_CHECK;

/* Once, before the sandbox closes. */
void avedge_read_machine(struct avedge *av);
/* The external certificate for turns:; *ret NULL when that is off. */
int avedge_tls_new(struct avedge *av, const struct conf *conf, struct tls_ctx **ret,
    const char **ret_why) ED_MUST_CHECK;

/* egress.c */
/* Carries out av->acts (which the call that made them has just filled). */
void egress_run(struct avedge *av);

/* ingress.c */
void ingress_on_datagram(void *arg, struct udp_socket *s, struct pkt *p, const struct addr *from);
void ingress_on_peer(void *arg, struct udp_socket *s, struct pkt *p, const struct addr *from);

/* relay.c */
struct av_relay *av_relay_open(
    struct avedge *av, struct turn_allocation *a, uint8_t family, uint8_t transport, bool even);
/* The port above r's, for whoever comes with its token; NULL: it is taken. */
struct av_relay *av_relay_open_above(const struct av_relay *r);
struct av_relay *av_relay_close(struct av_relay *r);

/* cred.c */
void cred_ask(struct avedge *av, uint32_t ticket, struct str username);

/* notes.c: log lines and counters */
void notes_write(struct avedge *av, const struct turn_acts *acts);
void notes_register(void);
void note_throttled(struct avedge *av, const struct turn_allocation *a, const char *scope);
void notes_collect(struct avedge *av);

/* sessions.c */
void sessions_write(struct avedge *av, struct svc_ctl_reply *reply);
/* client: address and port as sessions_write shows them. */
void sessions_kick(struct avedge *av, struct str client, struct svc_ctl_reply *reply);

/* client.c */
void client_on_accept(void *arg, int fd, const struct addr *peer, const struct addr *local);
/* One control message or piece of data to the client of that connection number. */
void client_send(struct avedge *av, uint32_t conn, struct str bytes, bool is_data);
void client_close(struct avedge *av, uint32_t conn);
void client_close_all(struct avedge *av);
/* Puts out those that have waited too long for an allocation. */
void client_tick(struct avedge *av, uint64_t now_ms);
/* True when so much waits for that client that r's peers must not be read; peer_resume follows. */
bool client_is_full(struct avedge *av, uint32_t conn, struct av_relay *r);
void client_forget_relay(struct avedge *av, uint32_t conn);
/* Stop / go on reading from that client: a peer does not take what it sends. As many go on as have
 * stopped it. */
void client_pause(struct avedge *av, uint32_t conn, bool pause);
/* The same for throttle.c. */
void client_throttle(struct avedge *av, uint32_t conn, bool on);
int client_pools_new(struct avedge *av) ED_MUST_CHECK;
void client_pools_free(struct avedge *av);
/* A connection has an allocation now: it no longer counts among those that may be put out. */
void client_has_allocation(struct avedge *av, uint32_t conn);

/* RFC 6062: from now on that connection carries j's bytes; NULL: no longer. False: it has gone. */
bool client_join(struct avedge *av, uint32_t conn, struct joint *j);
/* False when they do not fit: the connection must end. *ret_full: joint_client_drained follows. */
bool client_send_raw(struct avedge *av, uint32_t conn, struct str bytes, bool *ret_full);

/* kernel.c */
/* Takes what the supervisor has granted; nothing granted is no fault. */
int kernel_start(struct avedge *av) ED_MUST_CHECK;
/* One packet was relayed here: enters its flow when it has shown to be one. */
void kernel_note(struct avedge *av, const struct turn_act *act, bool to_client);
/* Takes r's flows out; their counts have gone to its allocation. */
void kernel_forget(struct av_relay *r);
void kernel_forget_all(struct avedge *av);
/* Counts of the entries to their allocations, once a second; UINT64_MAX: in any case. */
void kernel_collect(struct avedge *av, uint64_t now_ms);

/* joint.c */
void joint_connect(struct avedge *av, struct av_relay *r, uint32_t id, const struct addr *to);
void joint_on_accept(struct av_relay *r, int fd, const struct addr *from);
void joint_bind(struct avedge *av, const struct turn_allocation *a, uint32_t id, uint32_t conn);
void joint_close(const struct turn_allocation *a, uint32_t id);
void joint_close_all(struct av_relay *r);
/* False: the connection must end. */
bool joint_from_client(struct joint *j, struct str bytes);
void joint_client_drained(struct joint *j);
void joint_client_gone(struct joint *j);
/* Both sides of all joints are read, or not any more, as throttle_is_on says. */
void joint_read_all(struct av_relay *r);

/* throttle.c */
void throttle_init(struct av_relay *r);
void throttle_done(struct av_relay *r);
/* Bytes of a stream of r have passed: is it to wait now? */
void throttle_look(struct av_relay *r);
bool throttle_is_on(const struct av_relay *r);

/* peer.c */
void peer_init(struct av_relay *r);
/* What waited for the client has left: its peers may be read again. */
void peer_resume(struct av_relay *r);
void peer_on_accept(void *arg, int fd, const struct addr *peer, const struct addr *local);
void peer_send(struct av_relay *r, const struct addr *to, struct str bytes);
void peer_close_all(struct av_relay *r);
/* Peers are read, or not any more, as throttle_is_on says. */
void peer_read_all(struct av_relay *r);

#endif
