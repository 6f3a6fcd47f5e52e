/* SPDX-License-Identifier: MIT */
#include "access/cert_event.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

bool
cert_event(const char *detail, const char **ret_id, const char **ret_name)
{
	static const struct {
		const char *starts, *id, *name;
	} table[] = {
	    {"unknown CA", "FED-3006", "partner_certificate_unknown_authority"},
	    {"self-signed certificate", "FED-3006", "partner_certificate_unknown_authority"},
	    {"certificate has expired", "FED-3006", "partner_certificate_expired"},
	    {"certificate is not yet valid", "FED-3006", "partner_certificate_not_yet_valid"},
	    {"certificate is revoked", "CRT-1106", "partner_certificate_revoked"},
	    {"certificate may not be used", "FED-3006", "partner_certificate_usage"},
	    {"revocation unknown", "FED-3006", "partner_certificate_revocation_unknown"},
	    {"wrong name", "FED-3006", "certificate_mismatch"},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (strncmp(detail, table[i].starts, strlen(table[i].starts)) == 0) {
			*ret_id = table[i].id;
			*ret_name = table[i].name;
			return true;
		}
	return false;
}
