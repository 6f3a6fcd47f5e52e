/* SPDX-License-Identifier: MIT
 *
 * base/str.h: the one definition lives in libsipparse, which must build without edged; see there.
 */
#ifndef EDGED_BASE_STR_H
#define EDGED_BASE_STR_H

#include "sipparse/str.h"

#endif
