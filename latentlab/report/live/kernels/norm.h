// Normalisation; y may be x.
#pragma once
#include "pointwise.h"

typedef struct { float mean, scale; } moments;

// The mean and 1 / √(variance + eps) of `count` values, summed in double precision.
static __attribute__((noinline)) moments measure(const float *x, int count, float eps) {
  const int whole = count & ~3;
  vector sums = wasm_f64x2_splat(0), squares = sums;
  for (int i = 0; i < whole; i += 4) {
    const vector v = LOAD(x + i), upper = wasm_i64x2_shuffle(v, v, 1, 1);
    sums = wasm_f64x2_add(sums, wasm_f64x2_add(wasm_f64x2_promote_low_f32x4(v), wasm_f64x2_promote_low_f32x4(upper)));
  }
  double sum = wasm_f64x2_extract_lane(sums, 0) + wasm_f64x2_extract_lane(sums, 1);
  for (int i = whole; i < count; i++) sum += x[i];
  const double mean = sum / count;
  for (int i = 0; i < whole; i += 4) {
    const vector v = LOAD(x + i), upper = wasm_i64x2_shuffle(v, v, 1, 1);
    const vector low = wasm_f64x2_sub(wasm_f64x2_promote_low_f32x4(v), wasm_f64x2_splat(mean));
    const vector high = wasm_f64x2_sub(wasm_f64x2_promote_low_f32x4(upper), wasm_f64x2_splat(mean));
    squares = wasm_f64x2_add(squares, wasm_f64x2_add(wasm_f64x2_mul(low, low), wasm_f64x2_mul(high, high)));
  }
  double square = wasm_f64x2_extract_lane(squares, 0) + wasm_f64x2_extract_lane(squares, 1);
  for (int i = whole; i < count; i++) square += (x[i] - mean) * (x[i] - mean);
  return (moments){(float)mean, (float)(1 / __builtin_sqrt(square / count + eps))};
}

EXPORT(group_norm) void group_norm(
    const float *x, const float *a, const float *b, float *y, int channels, int inner, int groups, float eps
) {
  const int together = channels / groups;
  for (int first = 0; first < channels; first += together) {
    const moments group = measure(x + first * inner, together * inner, eps);
    for (int c = first; c < first + together; c++)
      affine(x + c * inner, y + c * inner, inner, group.mean, a[c] * group.scale, b[c]);
  }
}

EXPORT(layer_norm) void layer_norm(
    const float *x, const float *a, const float *b, float *y, int rows, int columns, float eps
) {
  for (int row = 0; row < rows; row++) {
    const moments own = measure(x, columns, eps);
    for (int column = 0; column < columns; column++) *y++ = (*x++ - own.mean) * own.scale * a[column] + b[column];
  }
}
