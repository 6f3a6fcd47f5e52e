/* SPDX-License-Identifier: MIT */
#include "sipparse/msg.h"

#include "chars.h"

static const char *const method_names[SIP_METHOD__N] = {
    [SIP_METHOD_OTHER] = "?",
    [SIP_INVITE] = "INVITE",
    [SIP_ACK] = "ACK",
    [SIP_BYE] = "BYE",
    [SIP_CANCEL] = "CANCEL",
    [SIP_REGISTER] = "REGISTER",
    [SIP_OPTIONS] = "OPTIONS",
    [SIP_MESSAGE] = "MESSAGE",
    [SIP_SUBSCRIBE] = "SUBSCRIBE",
    [SIP_NOTIFY] = "NOTIFY",
    [SIP_BENOTIFY] = "BENOTIFY",
    [SIP_INFO] = "INFO",
    [SIP_REFER] = "REFER",
    [SIP_UPDATE] = "UPDATE",
    [SIP_PRACK] = "PRACK",
    [SIP_PUBLISH] = "PUBLISH",
    [SIP_SERVICE] = "SERVICE",
    [SIP_NEGOTIATE] = "NEGOTIATE",
};

static const char *const hdr_names[SIP_HDR__N] = {
    [SIP_HDR_OTHER] = "?",
    [SIP_HDR_VIA] = "Via",
    [SIP_HDR_ROUTE] = "Route",
    [SIP_HDR_RECORD_ROUTE] = "Record-Route",
    [SIP_HDR_CONTACT] = "Contact",
    [SIP_HDR_FROM] = "From",
    [SIP_HDR_TO] = "To",
    [SIP_HDR_CALL_ID] = "Call-ID",
    [SIP_HDR_CSEQ] = "CSeq",
    [SIP_HDR_MAX_FORWARDS] = "Max-Forwards",
    [SIP_HDR_CONTENT_LENGTH] = "Content-Length",
    [SIP_HDR_REQUIRE] = "Require",
    [SIP_HDR_PROXY_REQUIRE] = "Proxy-Require",
    [SIP_HDR_SUPPORTED] = "Supported",
    [SIP_HDR_PATH] = "Path",
    [SIP_HDR_SERVICE_ROUTE] = "Service-Route",
    [SIP_HDR_EXPIRES] = "Expires",
    [SIP_HDR_AUTHORIZATION] = "Authorization",
    [SIP_HDR_PROXY_AUTHORIZATION] = "Proxy-Authorization",
    [SIP_HDR_WWW_AUTHENTICATE] = "WWW-Authenticate",
    [SIP_HDR_PROXY_AUTHENTICATE] = "Proxy-Authenticate",
    [SIP_HDR_AUTHENTICATION_INFO] = "Authentication-Info",
    [SIP_HDR_PROXY_AUTHENTICATION_INFO] = "Proxy-Authentication-Info",
    [SIP_HDR_P_ASSERTED_IDENTITY] = "P-Asserted-Identity",
    [SIP_HDR_P_PREFERRED_IDENTITY] = "P-Preferred-Identity",
    [SIP_HDR_REMOTE_PARTY_ID] = "Remote-Party-ID",
    [SIP_HDR_REFER_TO] = "Refer-To",
    [SIP_HDR_REFERRED_BY] = "Referred-By",
    [SIP_HDR_REPLY_TO] = "Reply-To",
    [SIP_HDR_REPLACES] = "Replaces",
    [SIP_HDR_WARNING] = "Warning",
    [SIP_HDR_SERVER] = "Server",
    [SIP_HDR_USER_AGENT] = "User-Agent",
    [SIP_HDR_ALERT_INFO] = "Alert-Info",
    [SIP_HDR_CALL_INFO] = "Call-Info",
    [SIP_HDR_ERROR_INFO] = "Error-Info",
    [SIP_HDR_HISTORY_INFO] = "History-Info",
    [SIP_HDR_DIVERSION] = "Diversion",
    [SIP_HDR_P_DIALOG_RECOVERY_ACTION] = "P-Dialog-Recovery-Action",
    [SIP_HDR_MS_EDGE_PROXY_MESSAGE_TRUST] = "ms-edge-proxy-message-trust",
    [SIP_HDR_MS_EDGE_OTHER] = "ms-edge-",
    [SIP_HDR_MS_USER_LOGON_DATA] = "ms-user-logon-data",
    [SIP_HDR_MS_USER_DATA] = "ms-user-data",
    [SIP_HDR_MS_APPLICATION_VIA] = "ms-application-via",
    [SIP_HDR_MS_SPLIT_DOMAIN_INFO] = "ms-split-domain-info",
    [SIP_HDR_MS_ASSERTED_VERIFICATION_LEVEL] = "ms-asserted-verification-level",
    [SIP_HDR_MS_VERIFICATION_LEVEL] = "ms-verification-level",
    [SIP_HDR_MS_DIAGNOSTICS] = "ms-diagnostics",
    [SIP_HDR_MS_DIAGNOSTICS_PUBLIC] = "ms-diagnostics-public",
    [SIP_HDR_MS_ENDPOINT_LOCATION_DATA] = "ms-endpoint-location-data",
    [SIP_HDR_MS_SUBNET] = "ms-subnet",
    [SIP_HDR_MS_KEEP_ALIVE] = "ms-keep-alive",
};

const char *
sip_method_name(enum sip_method m)
{
	return (unsigned)m < SIP_METHOD__N ? method_names[m] : "?";
}

const char *
sip_hdr_name(enum sip_hdr id)
{
	return (unsigned)id < SIP_HDR__N ? hdr_names[id] : "?";
}

enum sip_method
sip_method_of(struct str t)
{
#define METHOD(name, id)                                                                           \
	if (memcmp(t.p, name, sizeof(name) - 1) == 0)                                              \
	return id
	switch (t.n) {
	case 3:
		METHOD("ACK", SIP_ACK);
		METHOD("BYE", SIP_BYE);
		break;
	case 4:
		METHOD("INFO", SIP_INFO);
		break;
	case 5:
		METHOD("REFER", SIP_REFER);
		METHOD("PRACK", SIP_PRACK);
		break;
	case 6:
		METHOD("INVITE", SIP_INVITE);
		METHOD("CANCEL", SIP_CANCEL);
		METHOD("NOTIFY", SIP_NOTIFY);
		METHOD("UPDATE", SIP_UPDATE);
		break;
	case 7:
		METHOD("MESSAGE", SIP_MESSAGE);
		METHOD("OPTIONS", SIP_OPTIONS);
		METHOD("SERVICE", SIP_SERVICE);
		METHOD("PUBLISH", SIP_PUBLISH);
		break;
	case 8:
		METHOD("REGISTER", SIP_REGISTER);
		METHOD("BENOTIFY", SIP_BENOTIFY);
		break;
	case 9:
		METHOD("SUBSCRIBE", SIP_SUBSCRIBE);
		METHOD("NEGOTIATE", SIP_NEGOTIATE);
		break;
	default:
		break;
	}
	return SIP_METHOD_OTHER;
#undef METHOD
}

/* Names that are known by a part of them only. */
static enum sip_hdr
hdr_ms_family(struct str name)
{
	const struct str tail = STR("verification-level");

	if (name.n < 3 || !name_is(name.p, "ms-", 3))
		return SIP_HDR_OTHER;
	if (name.n >= 8 && name_is(name.p, "ms-edge-", 8))
		return SIP_HDR_MS_EDGE_OTHER;
	for (size_t i = 3; i + tail.n <= name.n; i++)
		if (name_is(name.p + i, tail.p, tail.n))
			return SIP_HDR_MS_VERIFICATION_LEVEL;
	return SIP_HDR_OTHER;
}

static enum sip_hdr
hdr_compact(char c)
{
	switch (c | 0x20) {
	case 'b':
		return SIP_HDR_REFERRED_BY;
	case 'f':
		return SIP_HDR_FROM;
	case 'i':
		return SIP_HDR_CALL_ID;
	case 'k':
		return SIP_HDR_SUPPORTED;
	case 'l':
		return SIP_HDR_CONTENT_LENGTH;
	case 'm':
		return SIP_HDR_CONTACT;
	case 'r':
		return SIP_HDR_REFER_TO;
	case 't':
		return SIP_HDR_TO;
	case 'v':
		return SIP_HDR_VIA;
	default:
		return SIP_HDR_OTHER;
	}
}

enum sip_hdr
sip_hdr_of(struct str t)
{
#define NAME(name, id)                                                                             \
	if (name_is(t.p, name, sizeof(name) - 1))                                                  \
	return id
	switch (t.n) {
	case 1:
		return hdr_compact(t.p[0]);
	case 2:
		NAME("to", SIP_HDR_TO);
		break;
	case 3:
		NAME("via", SIP_HDR_VIA);
		break;
	case 4:
		NAME("from", SIP_HDR_FROM);
		NAME("cseq", SIP_HDR_CSEQ);
		NAME("path", SIP_HDR_PATH);
		break;
	case 5:
		NAME("route", SIP_HDR_ROUTE);
		break;
	case 6:
		NAME("server", SIP_HDR_SERVER);
		break;
	case 7:
		NAME("call-id", SIP_HDR_CALL_ID);
		NAME("contact", SIP_HDR_CONTACT);
		NAME("require", SIP_HDR_REQUIRE);
		NAME("expires", SIP_HDR_EXPIRES);
		NAME("warning", SIP_HDR_WARNING);
		break;
	case 8:
		NAME("refer-to", SIP_HDR_REFER_TO);
		NAME("reply-to", SIP_HDR_REPLY_TO);
		NAME("replaces", SIP_HDR_REPLACES);
		break;
	case 9:
		NAME("supported", SIP_HDR_SUPPORTED);
		NAME("call-info", SIP_HDR_CALL_INFO);
		NAME("diversion", SIP_HDR_DIVERSION);
		NAME("ms-subnet", SIP_HDR_MS_SUBNET);
		break;
	case 10:
		NAME("user-agent", SIP_HDR_USER_AGENT);
		NAME("alert-info", SIP_HDR_ALERT_INFO);
		NAME("error-info", SIP_HDR_ERROR_INFO);
		break;
	case 11:
		NAME("referred-by", SIP_HDR_REFERRED_BY);
		break;
	case 12:
		NAME("max-forwards", SIP_HDR_MAX_FORWARDS);
		NAME("record-route", SIP_HDR_RECORD_ROUTE);
		NAME("history-info", SIP_HDR_HISTORY_INFO);
		NAME("ms-user-data", SIP_HDR_MS_USER_DATA);
		break;
	case 13:
		NAME("authorization", SIP_HDR_AUTHORIZATION);
		NAME("proxy-require", SIP_HDR_PROXY_REQUIRE);
		NAME("service-route", SIP_HDR_SERVICE_ROUTE);
		NAME("ms-keep-alive", SIP_HDR_MS_KEEP_ALIVE);
		break;
	case 14:
		NAME("content-length", SIP_HDR_CONTENT_LENGTH);
		NAME("ms-diagnostics", SIP_HDR_MS_DIAGNOSTICS);
		break;
	case 15:
		NAME("remote-party-id", SIP_HDR_REMOTE_PARTY_ID);
		break;
	case 16:
		NAME("www-authenticate", SIP_HDR_WWW_AUTHENTICATE);
		break;
	case 18:
		NAME("proxy-authenticate", SIP_HDR_PROXY_AUTHENTICATE);
		NAME("ms-user-logon-data", SIP_HDR_MS_USER_LOGON_DATA);
		NAME("ms-application-via", SIP_HDR_MS_APPLICATION_VIA);
		break;
	case 19:
		NAME("proxy-authorization", SIP_HDR_PROXY_AUTHORIZATION);
		NAME("p-asserted-identity", SIP_HDR_P_ASSERTED_IDENTITY);
		NAME("authentication-info", SIP_HDR_AUTHENTICATION_INFO);
		break;
	case 20:
		NAME("p-preferred-identity", SIP_HDR_P_PREFERRED_IDENTITY);
		NAME("ms-split-domain-info", SIP_HDR_MS_SPLIT_DOMAIN_INFO);
		break;
	case 21:
		NAME("ms-diagnostics-public", SIP_HDR_MS_DIAGNOSTICS_PUBLIC);
		break;
	case 24:
		NAME("p-dialog-recovery-action", SIP_HDR_P_DIALOG_RECOVERY_ACTION);
		break;
	case 25:
		NAME("proxy-authentication-info", SIP_HDR_PROXY_AUTHENTICATION_INFO);
		NAME("ms-endpoint-location-data", SIP_HDR_MS_ENDPOINT_LOCATION_DATA);
		break;
	case 27:
		NAME("ms-edge-proxy-message-trust", SIP_HDR_MS_EDGE_PROXY_MESSAGE_TRUST);
		break;
	case 30:
		NAME("ms-asserted-verification-level", SIP_HDR_MS_ASSERTED_VERIFICATION_LEVEL);
		break;
	default:
		break;
	}
	return hdr_ms_family(t);
#undef NAME
}

/* Compact forms of headers that have no number here (RFC 3261 20, IANA registry). */
static const struct {
	char compact;
	struct str name;
} other_compact[] = {
    {'a', {"Accept-Contact", 14}},
    {'c', {"Content-Type", 12}},
    {'d', {"Request-Disposition", 19}},
    {'e', {"Content-Encoding", 16}},
    {'j', {"Reject-Contact", 14}},
    {'n', {"Identity-Info", 13}},
    {'o', {"Event", 5}},
    {'s', {"Subject", 7}},
    {'u', {"Allow-Events", 12}},
    {'x', {"Session-Expires", 15}},
    {'y', {"Identity", 8}},
};

const struct sip_line *
sip_msg_find(const struct sip_msg *m, struct str name)
{
	enum sip_hdr id = sip_hdr_of(name);
	char compact = '\0';

	if (id != SIP_HDR_OTHER && id != SIP_HDR_MS_EDGE_OTHER &&
	    id != SIP_HDR_MS_VERIFICATION_LEVEL)
		return m->first[id] == SIP_NO_LINE ? NULL : &m->lines[m->first[id]];
	for (size_t i = 0; i < sizeof(other_compact) / sizeof(other_compact[0]); i++)
		if (str_eq_nocase(name, other_compact[i].name))
			compact = other_compact[i].compact;
	for (uint16_t i = 0; i < m->n_lines; i++) {
		const struct sip_line *l = &m->lines[i];

		if (l->id != id)
			continue;
		if (str_eq_nocase(sip_line_name(m, l), name) ||
		    (l->name_len == 1 && compact && (m->bytes.p[l->at] | 0x20) == compact))
			return l;
	}
	return NULL;
}
