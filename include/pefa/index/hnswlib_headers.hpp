// pefa: the one place that includes hnswlib. Its warnings are not the host's business, so this header, and with it what
// it includes, counts as a system header to GCC and Clang however the host found it.
#pragma once

#if defined(__GNUC__)
#pragma GCC system_header
#endif

#include <hnswlib/hnswlib.h>
