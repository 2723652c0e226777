// 3 × 3 convolutions the short way, F(2 × 2, 3 × 3) of Winograd: four neighbouring pixels cost 16 multiplications a
// channel instead of 36. A patch of 4 × 4 inputs and the kernel are transformed, multiplied value by value (which over
// all channels is a matrix product for each of the 16 values), and transformed back. A. Lavin, S. Gray, "Fast
// Algorithms for Convolutional Neural Networks", 2015, arXiv:1509.09308.
#pragma once
#include "product.h"

// G g Gᵀ of each kernel, in panels of four filters: y[filter / 4][value][channel][filter % 4].
EXPORT(winograd_pack) void winograd_pack(const float *w, int filters, int channels, float *y) {
  for (int panel = 0; panel < filters; panel += 4, y += 64 * channels)
    for (int channel = 0; channel < channels; channel++)
      for (int i = 0; i < 4; i++) {
        float half[4][3];
        const float *g = w + ((panel + i) * channels + channel) * 9;
        for (int x = 0; x < 3; x++) {
          const float top = panel + i < filters ? g[x] : 0, middle = panel + i < filters ? g[3 + x] : 0;
          const float bottom = panel + i < filters ? g[6 + x] : 0;
          half[0][x] = top;
          half[1][x] = (top + middle + bottom) / 2;
          half[2][x] = (top - middle + bottom) / 2;
          half[3][x] = bottom;
        }
        for (int row = 0; row < 4; row++) {
          const float left = half[row][0], middle = half[row][1], right = half[row][2];
          float *values = y + (row * 4 * channels + channel) * 4 + i;
          values[0] = left;
          values[4 * channels] = (left + middle + right) / 2;
          values[8 * channels] = (left - middle + right) / 2;
          values[12 * channels] = right;
        }
      }
}

// Bᵀ d B of four patches that stand side by side, two columns apart; value v goes to y[v · step].
static inline void transform_patches(const float *x, int width, float *y, int step) {
  vector rows[4][4];
  for (int row = 0; row < 4; row++, x += width) {
    const vector first = LOAD(x), second = LOAD(x + 4), third = LOAD(x + 8);
    const vector d0 = wasm_i32x4_shuffle(first, second, 0, 2, 4, 6), d2 = wasm_i32x4_shuffle(d0, third, 1, 2, 3, 4);
    const vector d1 = wasm_i32x4_shuffle(first, second, 1, 3, 5, 7), d3 = wasm_i32x4_shuffle(d1, third, 1, 2, 3, 5);
    rows[row][0] = SUB(d0, d2);
    rows[row][1] = ADD(d1, d2);
    rows[row][2] = SUB(d2, d1);
    rows[row][3] = SUB(d1, d3);
  }
  for (int column = 0; column < 4; column++, y += step) {
    STORE(y, SUB(rows[0][column], rows[2][column]));
    STORE(y + 4 * step, ADD(rows[1][column], rows[2][column]));
    STORE(y + 8 * step, SUB(rows[2][column], rows[1][column]));
    STORE(y + 12 * step, SUB(rows[1][column], rows[3][column]));
  }
}

// Aᵀ m A of four patches: 2 × 8 pixels, of which `rows` × `columns` are within the picture.
static inline void store_patches(
    const vector m[16][8], int at, float bias, float *y, int width, int rows, int columns
) {
  vector upper[4], lower[4];
  for (int i = 0; i < 4; i++) {
    upper[i] = ADD(ADD(m[i][at], m[4 + i][at]), m[8 + i][at]);
    lower[i] = SUB(SUB(m[4 + i][at], m[8 + i][at]), m[12 + i][at]);
  }
  for (int row = 0; row < 2 && row < rows; row++, y += width) {
    const vector *v = row ? lower : upper;
    const vector even = ADD(ADD(ADD(v[0], v[1]), v[2]), SPLAT(bias));
    const vector odd = ADD(SUB(SUB(v[1], v[2]), v[3]), SPLAT(bias));
    store_group(y, wasm_i32x4_shuffle(even, odd, 0, 4, 1, 5), columns, 1);
    store_group(y + 4, wasm_i32x4_shuffle(even, odd, 2, 6, 3, 7), columns - 4, 1);
  }
}

// A group is four patches, 2 × 8 pixels; two groups at a time. x is padded: plane by plane, rows of `width` values.
EXPORT(winograd) void winograd(
    const float *x, int width, int plane, int channels, const float *weights, const float *bias, int filters, float *y,
    int rows, int columns, float *tiles
) {
  const int across = (columns + 7) / 8, groups = (rows + 1) / 2 * across, depth = 8 * channels;
  for (int group = 0; group < groups; group += 2) {
    for (int second = 0; second < 2; second++) {
      const int own = group + second < groups ? group + second : group;
      const float *from = x + own / across * 2 * width + own % across * 8;
      for (int channel = 0; channel < channels; channel++)
        transform_patches(from + channel * plane, width, tiles + channel * 8 + second * 4, depth);
    }
    for (int panel = 0; panel < filters; panel += 4) {
      vector sums[16][8];
      for (int value = 0; value < 16; value++)
        multiply_tile(weights + (panel * 4 + value) * channels * 4, tiles + value * depth, channels, sums[value]);
      for (int i = 0; i < 4 && panel + i < filters; i++)
        for (int second = 0; second < 2 && group + second < groups; second++) {
          const int row = (group + second) / across * 2, column = (group + second) % across * 8;
          float *to = y + ((panel + i) * rows + row) * columns + column;
          store_patches(sums, 2 * i + second, bias[panel + i], to, columns, rows - row, columns - column);
        }
    }
  }
}
