// Matrices and convolutions, as sums of products.
#pragma once
#include "vector.h"

// y = w x + b for each of `count` vectors.
EXPORT(linear) void linear(const float *x, const float *w, const float *b, float *y, int count, int rows, int columns) {
  const int whole = columns & ~3;
  for (int vector_index = 0; vector_index < count; vector_index++, x += columns)
    for (int row = 0; row < rows; row++) {
      const float *weights = w + row * columns;
      vector even = SPLAT(0), odd = SPLAT(0);
      int k = 0;
      for (; k + 8 <= columns; k += 8) {
        even = multiply_add(LOAD(weights + k), LOAD(x + k), even);
        odd = multiply_add(LOAD(weights + k + 4), LOAD(x + k + 4), odd);
      }
      for (; k < whole; k += 4) even = multiply_add(LOAD(weights + k), LOAD(x + k), even);
      float sum = total(ADD(even, odd));
      for (; k < columns; k++) sum += weights[k] * x[k];
      *y++ = sum + b[row];
    }
}

// Four neighbouring pixels of a row are a group; a tile is four channels × two groups, held in registers.
static inline void fill_tile(const float *left, const float *right, const int *offsets, int depth, float *tile) {
  for (int k = 0; k < depth; k++, tile += 8) {
    STORE(tile, LOAD(left + offsets[k]));
    STORE(tile + 4, LOAD(right + offsets[k]));
  }
}

static inline void multiply_tile(const float *weights, const float *tile, int depth, vector *sums) {
  vector a0 = SPLAT(0), a1 = a0, b0 = a0, b1 = a0, c0 = a0, c1 = a0, d0 = a0, d1 = a0;
  for (int k = 0; k < depth; k++, weights += 4, tile += 8) {
    const vector left = LOAD(tile), right = LOAD(tile + 4);
    vector weight = wasm_v128_load32_splat(weights);
    a0 = multiply_add(weight, left, a0);
    a1 = multiply_add(weight, right, a1);
    weight = wasm_v128_load32_splat(weights + 1);
    b0 = multiply_add(weight, left, b0);
    b1 = multiply_add(weight, right, b1);
    weight = wasm_v128_load32_splat(weights + 2);
    c0 = multiply_add(weight, left, c0);
    c1 = multiply_add(weight, right, c1);
    weight = wasm_v128_load32_splat(weights + 3);
    d0 = multiply_add(weight, left, d0);
    d1 = multiply_add(weight, right, d1);
  }
  sums[0] = a0, sums[1] = a1, sums[2] = b0, sums[3] = b1, sums[4] = c0, sums[5] = c1, sums[6] = d0, sums[7] = d1;
}

static inline void store_group(float *y, vector values, int count, int step) {
  if (count >= 4 && step == 1) {
    STORE(y, values);
    return;
  }
  float lanes[4];
  STORE(lanes, values);
  for (int i = 0; i < count && i < 4; i++) y[i * step] = lanes[i];
}

// y[channel, row, column] = bias[channel] + Σ_k weights[channel, k] · x[row · width + column + offsets[k]], for
// `rows` × `columns` pixels. Steps of y are in floats, so that the parts of an upsampled picture go where they belong.
EXPORT(convolve) void convolve(
    const float *x, int width, const int *offsets, int depth, const float *weights, const float *bias, int channels,
    float *y, int rows, int columns, int row_step, int column_step, int channel_step, float *tile
) {
  const int across = (columns + 3) / 4, groups = rows * across;
  for (int group = 0; group < groups; group += 2) {
    const int next = group + 1 < groups ? group + 1 : group;
    const int row0 = group / across, column0 = group % across * 4, row1 = next / across, column1 = next % across * 4;
    fill_tile(x + row0 * width + column0, x + row1 * width + column1, offsets, depth, tile);
    float *y0 = y + row0 * row_step + column0 * column_step, *y1 = y + row1 * row_step + column1 * column_step;
    for (int panel = 0; panel < channels; panel += 4) {
      vector sums[8];
      multiply_tile(weights + panel * depth, tile, depth, sums);
      for (int i = 0; i < 4 && panel + i < channels; i++) {
        const vector b = SPLAT(bias[panel + i]);
        const int at = (panel + i) * channel_step;
        store_group(y0 + at, ADD(sums[2 * i], b), columns - column0, column_step);
        store_group(y1 + at, ADD(sums[2 * i + 1], b), columns - column1, column_step);
      }
    }
  }
}
