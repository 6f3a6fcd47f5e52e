/* SPDX-License-Identifier: MIT
 *
 * base/err.h: the one definition lives in libsipparse, which must build without edged; see there.
 */
#ifndef EDGED_BASE_ERR_H
#define EDGED_BASE_ERR_H

#include "sipparse/err.h"

#endif
