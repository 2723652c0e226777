// Value by value; y may be x.
#pragma once
#include "vector.h"

static inline vector exponential(vector x) {
  // 2ⁿ · eʳ with |r| ≤ ln 2 / 2; the polynomial is the one of the Cephes library. Adding 1.5 · 2²³ rounds to a whole
  // n and leaves it in the lowest bits, from where it goes into the exponent.
  x = wasm_f32x4_pmin(SPLAT(88), wasm_f32x4_pmax(SPLAT(-87), x));
  const vector shifted = multiply_add(x, SPLAT(1.44269504f), SPLAT(12582912)), n = SUB(shifted, SPLAT(12582912));
  const vector r = SUB(SUB(x, MUL(n, SPLAT(.693359375f))), MUL(n, SPLAT(-2.12194440e-4f)));
  vector p = multiply_add(SPLAT(1.9875691500e-4f), r, SPLAT(1.3981999507e-3f));
  p = multiply_add(p, r, SPLAT(8.3334519073e-3f));
  p = multiply_add(p, r, SPLAT(4.1665795894e-2f));
  p = multiply_add(p, r, SPLAT(1.6666665459e-1f));
  p = multiply_add(p, r, SPLAT(5.0000001201e-1f));
  p = ADD(multiply_add(MUL(p, r), r, r), SPLAT(1));
  return wasm_i32x4_add(p, wasm_i32x4_shl(shifted, 23));
}

// A call instead of a copy, for what is not the commonest: a copy is half a kilobyte.
static __attribute__((noinline)) vector called_exponential(vector x) { return exponential(x); }

static inline vector sigmoid(vector x) {
  return wasm_f32x4_div(SPLAT(1), ADD(SPLAT(1), exponential(wasm_f32x4_neg(x))));
}

static inline vector error_function(vector x) {
  // Abramowitz and Stegun 7.1.26, within 1.5e-7.
  const vector size = wasm_f32x4_abs(x);
  const vector t = wasm_f32x4_div(SPLAT(1), multiply_add(size, SPLAT(.3275911f), SPLAT(1)));
  vector p = multiply_add(SPLAT(1.061405429f), t, SPLAT(-1.453152027f));
  p = multiply_add(p, t, SPLAT(1.421413741f));
  p = multiply_add(p, t, SPLAT(-.284496736f));
  p = multiply_add(p, t, SPLAT(.254829592f));
  const vector value = SUB(SPLAT(1), MUL(MUL(p, t), called_exponential(wasm_f32x4_neg(MUL(size, size)))));
  return wasm_v128_or(value, wasm_v128_and(x, SPLAT(-0.f)));
}

static inline vector softplus(vector x) {
  // max(x, 0) + log(1 + t) with t = exp(-|x|), and log(1 + t) = 2 artanh(t / (2 + t)) as a series.
  const vector t = called_exponential(wasm_f32x4_neg(wasm_f32x4_abs(x)));
  const vector u = wasm_f32x4_div(t, ADD(t, SPLAT(2))), square = MUL(u, u);
  vector p = SPLAT(2.f / 13);
  p = multiply_add(p, square, SPLAT(2.f / 11));
  p = multiply_add(p, square, SPLAT(2.f / 9));
  p = multiply_add(p, square, SPLAT(2.f / 7));
  p = multiply_add(p, square, SPLAT(2.f / 5));
  p = multiply_add(p, square, SPLAT(2.f / 3));
  p = multiply_add(p, square, SPLAT(2));
  return multiply_add(p, u, wasm_f32x4_max(x, SPLAT(0)));
}

static inline vector where_positive(vector x, vector otherwise) {
  return wasm_v128_bitselect(x, otherwise, wasm_f32x4_gt(x, SPLAT(0)));
}

#define EACH(value)                         \
  for (int i = 0; i < count; i += 4) {      \
    const vector v = LOAD(x + i);           \
    STORE(y + i, value);                    \
  }                                         \
  break;

// 1 - 2 / (1 + e²ˣ), which loses its digits near 0: there the polynomial of the Cephes library.
static inline vector hyperbolic_tangent(vector x) {
  const vector size = wasm_f32x4_abs(x), square = MUL(x, x);
  vector p = multiply_add(SPLAT(-5.70498872745e-3f), square, SPLAT(2.06390887954e-2f));
  p = multiply_add(p, square, SPLAT(-5.37397155531e-2f));
  p = multiply_add(p, square, SPLAT(1.33314422036e-1f));
  p = multiply_add(p, square, SPLAT(-3.33332819422e-1f));
  const vector near = multiply_add(MUL(p, square), x, x);
  const vector far = SUB(SPLAT(1), wasm_f32x4_div(SPLAT(2), ADD(SPLAT(1), called_exponential(ADD(size, size)))));
  const vector signed_far = wasm_v128_or(far, wasm_v128_and(x, SPLAT(-0.f)));
  return wasm_v128_bitselect(near, signed_far, wasm_f32x4_lt(size, SPLAT(.625f)));
}

// The kinds are numbered as in the runtime's list; `low` is also the slope of those that have one.
EXPORT(activate) void activate(const float *x, float *y, int count, int kind, float low, float high) {
  switch (kind) {
    case 0: EACH(wasm_f32x4_max(v, SPLAT(0)))
    case 1: EACH(MUL(v, sigmoid(v)))
    case 2: EACH(sigmoid(v))
    case 3: EACH(hyperbolic_tangent(v))
    case 4: EACH(where_positive(v, MUL(v, SPLAT(low))))
    case 5: EACH(MUL(MUL(SPLAT(.5f), v), ADD(SPLAT(1), error_function(MUL(v, SPLAT(.70710678f))))))
    case 6: EACH(where_positive(v, MUL(SPLAT(low), SUB(called_exponential(v), SPLAT(1)))))
    case 7: EACH(softplus(v))
    case 8: EACH(wasm_f32x4_min(SPLAT(high), wasm_f32x4_max(SPLAT(low), v)))
    case 9: EACH(called_exponential(v))
    case 10: EACH(wasm_f32x4_abs(v))
    case 11: EACH(wasm_f32x4_div(SPLAT(1), v))
    case 12: EACH(wasm_v128_and(SPLAT(1), wasm_f32x4_lt(v, SPLAT(low))))
  }
}

#define PAIR(value)                                  \
  for (int i = 0; i < count; i += 4) {               \
    const vector v = LOAD(x + i), w = LOAD(z + i);   \
    STORE(y + i, value);                             \
  }                                                  \
  break;

// x + z, x · z, x - z, or x where z is not 0, else 0.
EXPORT(combine) void combine(const float *x, const float *z, float *y, int count, int kind) {
  switch (kind) {
    case 0: PAIR(ADD(v, w))
    case 1: PAIR(MUL(v, w))
    case 2: PAIR(SUB(v, w))
    case 3: PAIR(wasm_v128_and(v, wasm_f32x4_ne(w, SPLAT(0))))
  }
}

static inline void affine(const float *x, float *y, int count, float centre, float factor, float shift) {
  int i = 0;
  for (; i + 4 <= count; i += 4)
    STORE(y + i, multiply_add(SUB(LOAD(x + i), SPLAT(centre)), SPLAT(factor), SPLAT(shift)));
  for (; i < count; i++) y[i] = (x[i] - centre) * factor + shift;
}

// y[c, i] = a[c] · x[c, i] + b[c].
EXPORT(scale) void scale(const float *x, const float *a, const float *b, float *y, int channels, int inner) {
  for (int c = 0; c < channels; c++) affine(x + c * inner, y + c * inner, inner, 0, a[c], b[c]);
}
