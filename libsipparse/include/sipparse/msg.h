/* SPDX-License-Identifier: MIT
 *
 * sipparse/msg.h: one framed SIP message as views: start line, an index of its header lines, and
 * the values that every proxy decides on, read strictly.
 *
 * Pure: bytes in, views out; all memory from the caller's arena; nothing is copied from the
 * message. One pass over the header block. Values beyond those below are read on demand: via.h,
 * uri.h.
 *
 * What two parsers could read differently is refused: blanks around the method or before a colon,
 * control characters, two Content-Lengths / CSeqs / Call-IDs / From / To / Max-Forwards, numbers
 * with sign or more digits than their type, a folded line among those we route by
 * (SIP_HDR_ROUTING).
 *
 * Spec: RFC 3261 7, 20, 25; access-edge-sip 2 and 13 (docs/spec/rfc3261.md).
 */
#ifndef SIPPARSE_MSG_H
#define SIPPARSE_MSG_H

#include <stdbool.h>
#include <stdint.h>

#include "sipparse/arena.h"
#include "sipparse/err.h"
#include "sipparse/frame.h"
#include "sipparse/limits.h"
#include "sipparse/str.h"
#include "sipparse/uri.h"
#include "sipparse/via.h"

enum sip_method {
	SIP_METHOD_OTHER, /* any token we have no number for; msg.method_name has it */
	SIP_INVITE,
	SIP_ACK,
	SIP_BYE,
	SIP_CANCEL,
	SIP_REGISTER,
	SIP_OPTIONS,
	SIP_MESSAGE,
	SIP_SUBSCRIBE,
	SIP_NOTIFY,
	SIP_BENOTIFY, /* [MS-SIP]: a NOTIFY that never gets a response */
	SIP_INFO,
	SIP_REFER,
	SIP_UPDATE,
	SIP_PRACK,
	SIP_PUBLISH,
	SIP_SERVICE,   /* [MS-SIP] */
	SIP_NEGOTIATE, /* [MS-SIPCOMP] */
	SIP_METHOD__N
};

/* Headers with a number. Compact forms map to the same id. Everything else is SIP_HDR_OTHER. */
enum sip_hdr {
	SIP_HDR_OTHER,
	SIP_HDR_VIA,
	SIP_HDR_ROUTE,
	SIP_HDR_RECORD_ROUTE,
	SIP_HDR_CONTACT,
	SIP_HDR_FROM,
	SIP_HDR_TO,
	SIP_HDR_CALL_ID,
	SIP_HDR_CSEQ,
	SIP_HDR_MAX_FORWARDS,
	SIP_HDR_CONTENT_LENGTH,
	SIP_HDR_REQUIRE,
	SIP_HDR_PROXY_REQUIRE,
	SIP_HDR_SUPPORTED,
	SIP_HDR_PATH,
	SIP_HDR_SERVICE_ROUTE,
	SIP_HDR_EXPIRES,
	SIP_HDR_AUTHORIZATION,
	SIP_HDR_PROXY_AUTHORIZATION,
	SIP_HDR_WWW_AUTHENTICATE,
	SIP_HDR_PROXY_AUTHENTICATE,
	SIP_HDR_AUTHENTICATION_INFO,
	SIP_HDR_PROXY_AUTHENTICATION_INFO,
	SIP_HDR_P_ASSERTED_IDENTITY,
	SIP_HDR_P_PREFERRED_IDENTITY,
	SIP_HDR_REMOTE_PARTY_ID,
	SIP_HDR_REFER_TO,
	SIP_HDR_REFERRED_BY,
	SIP_HDR_REPLY_TO,
	SIP_HDR_REPLACES,
	SIP_HDR_WARNING,
	SIP_HDR_SERVER,
	SIP_HDR_USER_AGENT,
	SIP_HDR_ALERT_INFO,
	SIP_HDR_CALL_INFO,
	SIP_HDR_ERROR_INFO,
	SIP_HDR_HISTORY_INFO,
	SIP_HDR_DIVERSION,
	SIP_HDR_P_DIALOG_RECOVERY_ACTION,
	SIP_HDR_MS_EDGE_PROXY_MESSAGE_TRUST,
	SIP_HDR_MS_EDGE_OTHER, /* any other name that starts with ms-edge- */
	SIP_HDR_MS_USER_LOGON_DATA,
	SIP_HDR_MS_USER_DATA,
	SIP_HDR_MS_APPLICATION_VIA,
	SIP_HDR_MS_SPLIT_DOMAIN_INFO,
	SIP_HDR_MS_ASSERTED_VERIFICATION_LEVEL,
	SIP_HDR_MS_VERIFICATION_LEVEL, /* any other ms-...verification-level... name */
	SIP_HDR_MS_DIAGNOSTICS,
	SIP_HDR_MS_DIAGNOSTICS_PUBLIC,
	SIP_HDR_MS_ENDPOINT_LOCATION_DATA,
	SIP_HDR_MS_SUBNET,
	SIP_HDR_MS_KEEP_ALIVE,
	SIP_HDR__N
};

/* SIP_HDR_ROUTING: those we route or frame by. Never folded, read strictly in sip_msg_parse. */
static inline bool
sip_hdr_is_routing(enum sip_hdr id)
{
	return id >= SIP_HDR_VIA && id <= SIP_HDR_PROXY_REQUIRE;
}

#define SIP_NO_LINE UINT16_MAX

struct sip_line {
	uint32_t at;       /* offset of the name in msg.bytes */
	uint32_t len;      /* whole line with all folds and the last CRLF */
	uint32_t value_at; /* offset of the value, blanks skipped */
	uint32_t
	    value_len; /* without trailing blanks and CRLF; folds inside are left as they are */
	uint16_t name_len;
	uint16_t next; /* next line of the same id, SIP_NO_LINE at the end; unused for OTHER */
	uint8_t id;    /* enum sip_hdr */
	bool folded;
};

/* A From or To: what stands between < and > (or the bare addr-spec), and its tag. */
struct sip_party {
	struct str value;    /* whole header value */
	struct str uri;      /* without < > */
	struct str display;  /* as written, quotes included; empty when none */
	struct str tag;      /* empty when absent */
	struct str params;   /* after the URI, from the first ';' on */
	struct sip_uri addr; /* uri, read */
};

struct sip_msg {
	struct str bytes; /* header block and body, borrowed */
	uint32_t header_len;
	struct str body;

	bool is_request;
	enum sip_method method;  /* requests: of the start line; responses: of CSeq */
	struct str method_name;  /* same */
	struct str uri;          /* requests: Request-URI */
	struct sip_uri ruri;     /* requests: the same, read; without headers or escaped names */
	uint16_t status;         /* responses: 100..699 */
	struct str reason;       /* responses */
	uint32_t start_line_len; /* with CRLF: where the first header line begins */

	struct sip_line *lines; /* in order of appearance */
	uint16_t n_lines;
	uint16_t first[SIP_HDR__N]; /* first line of that id, or SIP_NO_LINE */
	uint16_t last[SIP_HDR__N];
	uint16_t count[SIP_HDR__N]; /* lines, not values */

	struct sip_via via; /* the top one, read */
	/* The first Contact value, read; contact.text is p NULL when there is none or it is "*". */
	struct sip_nameaddr contact_addr;
	struct sip_uri contact;
	struct str call_id;
	uint32_t cseq;
	struct str cseq_method;
	struct sip_party from, to;
	int32_t max_forwards;    /* -1 when absent */
	uint32_t content_length; /* equals body.n */
};

/*
 * Index and check one message. bytes is exactly one frame of sip_frame_next (header block and
 * body).
 *
 * Returns ED_OK with *ret_msg in the arena (views into bytes); ED_MALFORMED, ED_LIMIT or ED_NOMEM
 * with *fault filled. A request with a wrong SIP version is ED_UNSUPPORTED (505).
 *
 * A refused request still yields in *ret_msg what could be read (NULL when nothing could), so that
 * the answer can carry its Via, From, To, Call-ID and CSeq lines when sip_msg_is_answerable says
 * so: copy those lines, the typed fields may be empty. A line with a control in it is not in the
 * index. Bytes that the framer refused may be given for the same purpose; what it refused is
 * refused here.
 */
int sip_msg_parse(struct arena *a, struct str bytes, const struct sip_limits *lim,
    struct sip_msg **ret_msg, struct ed_fault *fault) ED_MUST_CHECK;

/* True if m (perhaps from a failed parse) has the lines an error response must copy. NULL is false.
 */
bool sip_msg_is_answerable(const struct sip_msg *m);

struct str sip_line_name(const struct sip_msg *m, const struct sip_line *l);
struct str sip_line_value(const struct sip_msg *m, const struct sip_line *l);

/* Value of the first line of that id; p is NULL when absent. Not for SIP_HDR_OTHER. */
struct str sip_msg_value(const struct sip_msg *m, enum sip_hdr id);

/* First line whose name is `name` (no case, full form) for headers without a number; NULL if none.
 */
const struct sip_line *sip_msg_find(const struct sip_msg *m, struct str name);

/* True when a comma list header of that id (Require, Supported, ...) holds token, over all lines.
 */
bool sip_msg_has_token(const struct sip_msg *m, enum sip_hdr id, struct str token);

/*
 * Walks the comma-separated values of all lines of one id in order (Via, Route, Record-Route,
 * Contact, ...). Commas inside quotes and <> do not separate.
 */
struct sip_values {
	const struct sip_msg *m;
	enum sip_hdr id;
	uint16_t line;  /* line of the value last given */
	uint32_t at;    /* next offset inside that line's value */
	uint32_t index; /* how many given so far */
	uint16_t next_line;
};
struct sip_value {
	struct str text;  /* trimmed */
	uint32_t at;      /* offset of text in m->bytes */
	uint16_t line;    /* index of its line */
	bool only;        /* it is the only value on its line */
	bool first, last; /* on its line */
};
void sip_values_init(struct sip_values *it, const struct sip_msg *m, enum sip_hdr id);
/* 1 with *ret_value, 0 at the end, ED_MALFORMED on an empty value or an open quote. */
int sip_values_next(struct sip_values *it, struct sip_value *ret_value) ED_MUST_CHECK;

enum sip_method sip_method_of(struct str token); /* case-sensitive, RFC 3261 7.1 */
const char *sip_method_name(enum sip_method m);
enum sip_hdr sip_hdr_of(struct str name);  /* any case, compact or full */
const char *sip_hdr_name(enum sip_hdr id); /* full name as RFC or [MS-...] spells it */

#endif
