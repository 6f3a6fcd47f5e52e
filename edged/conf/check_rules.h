/* SPDX-License-Identifier: MIT
 *
 * conf/check_rules.h: the functions of the table, one per rule, and what they share. Only
 * conf/check_*.c includes it.
 */
#ifndef EDGED_CONF_CHECK_RULES_H
#define EDGED_CONF_CHECK_RULES_H

#include <stdbool.h>

#include "base/str.h"

struct addr;
struct check;
struct conf;
struct conf_list;
struct host_facts;

/* Each configured address, with the key it stands under. */
struct check_addr_key {
	const struct conf_list *list;
	const char *key;
	bool outside;
};
#define CHECK_ADDR_KEYS 4u

bool check_is_private(const struct addr *a);
bool check_is_host_name(struct str s);
/* The interface that has this address; NULL when none has. */
const char *check_interface_of(const struct host_facts *h, const struct addr *a);
bool check_has_interface(const struct host_facts *h, const char *name);
void check_addr_keys(const struct conf *c, struct check_addr_key ret[CHECK_ADDR_KEYS]);

void adr_03(struct check *ck);
void adr_04(struct check *ck);
void adr_05(struct check *ck);
void adr_13(struct check *ck);
void adr_14(struct check *ck);
void cert_all_01(struct check *ck);
void cert_all_02(struct check *ck);
void cert_all_05(struct check *ck);
void cert_all_11(struct check *ck);
void cert_all_12(struct check *ck);
void cert_av_01(struct check *ck);
void cert_av_03(struct check *ck);
void cert_av_08(struct check *ck);
void cert_ext_01(struct check *ck);
void cert_ext_02(struct check *ck);
void cert_ext_04(struct check *ck);
void cert_ext_05(struct check *ck);
void cert_ext_09(struct check *ck);
void cert_ext_12(struct check *ck);
void cert_ext_14(struct check *ck);
void cert_ext_av(struct check *ck);
void cert_int_01(struct check *ck);
void cert_int_02(struct check *ck);
void cert_int_07(struct check *ck);
void cert_not_same(struct check *ck);
void conf_addresses(struct check *ck);
void conf_required(struct check *ck);
void conf_users(struct check *ck);
void cnt_03(struct check *ck);
void fed_01(struct check *ck);
void fed_02(struct check *ck);
void fed_03(struct check *ck);
void fed_06(struct check *ck);
void port_01(struct check *ck);
void port_03(struct check *ck);
void port_07(struct check *ck);
void top_01(struct check *ck);
void top_02(struct check *ck);
void top_03(struct check *ck);
void top_05(struct check *ck);
void top_07(struct check *ck);
void top_10(struct check *ck);
void top_13(struct check *ck);
void top_14(struct check *ck);
void top_04(struct check *ck);
void top_06(struct check *ck);
void top_09(struct check *ck);
void top_12(struct check *ck);
void top_15(struct check *ck);
void adr_02(struct check *ck);
void dns_02(struct check *ck);
void dns_10(struct check *ck);
void port_02(struct check *ck);
void cert_int_03(struct check *ck);
void cert_int_09(struct check *ck);
void cert_ext_03(struct check *ck);
void cert_ext_07(struct check *ck);
void cert_ext_08(struct check *ck);
void cert_ext_10(struct check *ck);
void cert_ext_16(struct check *ck);
void cert_av_07(struct check *ck);
void cert_all_08(struct check *ck);
void fed_09(struct check *ck);
void pool_09(struct check *ck);
void ext_04(struct check *ck);

#endif
