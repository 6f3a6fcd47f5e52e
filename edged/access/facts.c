/* SPDX-License-Identifier: MIT
 *
 * access/facts.c: see facts.h.
 */
#include "access/facts.h"

const char *
traffic_name(enum traffic t)
{
	static const char *const names[TRAFFIC__N] = {
	    [TRAFFIC_REMOTE_USER] = "remote_user",
	    [TRAFFIC_ANONYMOUS] = "anonymous",
	    [TRAFFIC_DIRECT_PARTNER] = "direct_partner",
	    [TRAFFIC_AUTO_FEDERATION] = "auto_federation",
	    [TRAFFIC_AUTHORIZED_SERVER] = "authorized_server",
	    [TRAFFIC_PUBLIC_CLOUD] = "public_cloud",
	    [TRAFFIC_INTERNAL] = "internal",
	};

	return (unsigned)t < TRAFFIC__N ? names[t] : "unknown";
}
