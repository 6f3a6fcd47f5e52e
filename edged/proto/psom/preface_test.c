/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "proto/psom/preface.h"

static const uint8_t handle[PSOM_HANDLE_LEN] = {0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77,
    0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff, 0x01, 0x23, 0x45, 0x67};

/* psom-webconf 12 */
static const uint8_t worked[28] = {0x45, 0x44, 0x57, 0x43, 0x01, 0x14, 0x00, 0x00, 0x00, 0x11, 0x22,
    0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff, 0x01, 0x23, 0x45,
    0x67};

/* A copy that ends where its allocation ends, so that a read too far is seen by the sanitizer. */
static int
read_tight(const uint8_t *p, size_t n, struct str *ret)
{
	char *copy = malloc(n ? n : 1);
	int r;

	memcpy(copy, p, n);
	r = psom_preface_read((struct str){copy, n}, ret);
	free(copy);
	return r;
}

static void
preface_worked_octets(void **state)
{
	uint8_t out[PSOM_PREFACE_MAX];
	struct str got = STR_NONE;

	assert_int_equal(
	    psom_preface_write((struct str){(const char *)handle, sizeof(handle)}, out), 28);
	assert_memory_equal(out, worked, 28);
	assert_int_equal(psom_preface_read((struct str){(const char *)worked, 28}, &got), 28);
	assert_int_equal(got.n, 20);
	assert_memory_equal(got.p, handle, 20);
}

/* Test 5: cut at every octet the answer is "more" until it is whole; what follows is not used. */
static void
preface_cut_everywhere(void **state)
{
	uint8_t buf[40];
	struct str got;

	memcpy(buf, worked, 28);
	memset(buf + 28, 0xa5, 12);
	for (size_t n = 0; n < 28; n++)
		assert_int_equal(read_tight(buf, n, &got), 0);
	for (size_t n = 28; n <= sizeof(buf); n++)
		assert_int_equal(read_tight(buf, n, &got), 28);
}

/* A wrong octet is refused when it arrives, not later. */
static void
preface_first_wrong_octet(void **state)
{
	static const struct {
		size_t at;
		uint8_t octet;
	} wrong[] = {{0, 'G'}, {1, 'E'}, {2, 'w'}, {3, 0}, {4, 0}, {4, 2}, {5, 15}, {5, 65}, {5, 0},
	    {5, 255}, {6, 1}, {7, 1}};
	uint8_t buf[28];
	struct str got;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		memcpy(buf, worked, 28);
		buf[wrong[i].at] = wrong[i].octet;
		assert_int_equal(read_tight(buf, wrong[i].at, &got), 0);
		assert_int_equal(read_tight(buf, wrong[i].at + 1, &got), ED_MALFORMED);
		assert_int_equal(read_tight(buf, 28, &got), ED_MALFORMED);
	}
}

static void
preface_handle_lengths(void **state)
{
	char h[80] = {0};
	uint8_t out[PSOM_PREFACE_MAX];
	struct str got;

	for (size_t n = 0; n <= 80; n++) {
		int r = psom_preface_write((struct str){h, n}, out);

		if (n < PSOM_HANDLE_MIN || n > PSOM_HANDLE_MAX) {
			assert_int_equal(r, ED_LIMIT);
			continue;
		}
		assert_int_equal(r, 8 + n);
		assert_int_equal(psom_preface_read((struct str){(char *)out, 8 + n}, &got), r);
		assert_int_equal(got.n, n);
	}
}

static void
label_table(void **state)
{
	static const struct {
		const char *sni, *suffix;
		int want;
	} rows[] = {
	    {"aaisem2ekvthpcezvk54zxpo74asgrlh.wc.contoso.com", "wc.contoso.com", ED_OK},
	    {"AAISEM2EKVTHPCEZVK54ZXPO74ASGRLH.WC.Contoso.com", "wc.contoso.com", ED_OK},
	    {"aaisem2ekvthpcezvk54zxpo74asgrl1.wc.contoso.com", "wc.contoso.com", ED_MALFORMED},
	    {"aaisem2ekvthpcezvk54zxpo74asgrl.wc.contoso.com", "wc.contoso.com", ED_MALFORMED},
	    {"aaisem2ekvthpcezvk54zxpo74asgrlha.wc.contoso.com", "wc.contoso.com", ED_MALFORMED},
	    {"www.wc.contoso.com", "wc.contoso.com", ED_MALFORMED},
	    {".wc.contoso.com", "wc.contoso.com", ED_MALFORMED},
	    {"wc.contoso.com", "wc.contoso.com", ED_UNSUPPORTED},
	    {"aaisem2ekvthpcezvk54zxpo74asgrlh.x.wc.contoso.com", "wc.contoso.com", ED_UNSUPPORTED},
	    {"aaisem2ekvthpcezvk54zxpo74asgrlh.wc.contoso.com.", "wc.contoso.com", ED_UNSUPPORTED},
	    {"aaisem2ekvthpcezvk54zxpo74asgrlh", "wc.contoso.com", ED_UNSUPPORTED},
	    {"aaisem2ekvthpcezvk54zxpo74asgrlh.", "", ED_UNSUPPORTED},
	    {"", "", ED_UNSUPPORTED},
	    {"", "wc.contoso.com", ED_UNSUPPORTED},
	};
	uint8_t got[PSOM_HANDLE_LEN];
	char label[PSOM_LABEL_LEN];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(psom_label_read(str_of(rows[i].sni), str_of(rows[i].suffix), got),
		    rows[i].want);
		if (rows[i].want == ED_OK)
			assert_memory_equal(got, handle, sizeof(handle));
	}
	psom_label_write(handle, label);
	assert_memory_equal(label, "aaisem2ekvthpcezvk54zxpo74asgrlh", sizeof(label));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(preface_worked_octets),
	    cmocka_unit_test(preface_cut_everywhere),
	    cmocka_unit_test(preface_first_wrong_octet),
	    cmocka_unit_test(preface_handle_lengths),
	    cmocka_unit_test(label_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
