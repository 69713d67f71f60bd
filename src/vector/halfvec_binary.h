/*
 * halfvec_binary.h: the elements of a halfvec's binary form, without a server.
 */
#ifndef VECMARK_HALFVEC_BINARY_H
#define VECMARK_HALFVEC_BINARY_H

#include <stddef.h>
#include <stdint.h>

extern size_t halfvec_decode(const void *bytes, size_t count, uint16_t *x);
extern void halfvec_encode(const uint16_t *x, size_t count, void *bytes);

#endif							/* VECMARK_HALFVEC_BINARY_H */
