/* SPDX-License-Identifier: MIT
 *
 * base/arena.h: the one definition lives in libsipparse, which must build without edged; see there.
 */
#ifndef EDGED_BASE_ARENA_H
#define EDGED_BASE_ARENA_H

#include "sipparse/arena.h"

#endif
