/*
 * hyperbolic.h: points of the Poincare ball as SQL values.
 */
#ifndef VECMARK_HYPERBOLIC_H
#define VECMARK_HYPERBOLIC_H

#include "vector/vector.h"

extern double hyperbolic_point_gap(const Vector *u, double curvature);

#endif							/* VECMARK_HYPERBOLIC_H */
