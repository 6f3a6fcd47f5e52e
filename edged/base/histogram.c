/* SPDX-License-Identifier: MIT */
#include "base/histogram.h"

const uint32_t histogram_bounds_us[HISTOGRAM_BOUNDS] = {
    100, 500, 1000, 5000, 10000, 50000, 100000, 500000, 1000000, 3000000, 10000000};
