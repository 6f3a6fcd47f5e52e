/* SPDX-License-Identifier: MIT
 *
 * proto/stun/types.h: message types as whole numbers. The MS dialect does not follow the class bits
 * of RFC 8489, so types are never taken apart there.
 *
 * Spec: RFC 8489 18.2, RFC 8656 17, RFC 6062 6; ms-turn 2.2.
 */
#ifndef EDGED_PROTO_STUN_TYPES_H
#define EDGED_PROTO_STUN_TYPES_H

enum {
	STUN_BINDING = 0x0001,
	STUN_BINDING_INDICATION = 0x0011,
	STUN_ALLOCATE = 0x0003, /* both dialects */
	STUN_REFRESH = 0x0004,
	STUN_CREATE_PERMISSION = 0x0008,
	STUN_CHANNEL_BIND = 0x0009,
	STUN_CONNECT = 0x000a,
	STUN_CONNECTION_BIND = 0x000b,
	STUN_SEND_INDICATION = 0x0016,
	STUN_DATA_INDICATION = 0x0017,
	STUN_CONNECTION_ATTEMPT = 0x001c,

	STUN_SUCCESS = 0x0100, /* added to a request's type */
	STUN_ERROR = 0x0110,

	STUN_MS_SEND = 0x0004,
	STUN_MS_SET_ACTIVE_DESTINATION = 0x0006,
	STUN_MS_DATA_INDICATION = 0x0115,
};

#endif
