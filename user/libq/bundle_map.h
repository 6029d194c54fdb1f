/* The init bundle as a program sees it that was given a handle to it. */
#ifndef QUIRE_LIBQ_BUNDLE_MAP_H
#define QUIRE_LIBQ_BUNDLE_MAP_H

#include "abi/error.h"
#include "lib/bundle.h"

/* Map the bundle of the startup block, read-only and for good, and open it. */
enum error bundle_map(struct bundle *bundle) MUST_CHECK;

#endif
