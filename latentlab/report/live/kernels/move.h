// Values that move: padding, shuffling, slicing, repeating, tables, resizing.
#pragma once
#include "vector.h"

// y[c · plane + i] = x[c · step + table[i]], or 0 where the table says -1: padding, shuffling, slicing, repeating.
EXPORT(gather) void gather(const float *x, int step, const int *table, int plane, float *y, int y_step, int channels) {
  for (int channel = 0; channel < channels; channel++, x += step, y += y_step) {
    int i = 0;
    while (i + 4 <= plane) {
      // Most values move together with their neighbours.
      const vector run = wasm_i32x4_add(wasm_i32x4_splat(table[i]), wasm_i32x4_make(0, 1, 2, 3));
      if (table[i] >= 0 && wasm_i32x4_all_true(wasm_i32x4_eq(run, LOAD(table + i)))) {
        STORE(y + i, LOAD(x + table[i]));
        i += 4;
      } else {
        y[i] = table[i] < 0 ? 0 : x[table[i]];
        i++;
      }
    }
    for (; i < plane; i++) y[i] = table[i] < 0 ? 0 : x[table[i]];
  }
}

// The row of the table that the class number in x[0] names; a number outside it names the nearest row.
EXPORT(embed) void embed(const float *x, const float *table, float *y, int classes, int width) {
  const int number = x[0] >= 0 ? (x[0] < classes ? (int)x[0] : classes - 1) : 0;
  for (int i = 0; i < width; i++) y[i] = table[number * width + i];
}

// Corners of a bilinear resize: with `align` the corner pixels' centres coincide, without it their outer edges.
static float source(int target, int before, int after, int align) {
  if (align) return after > 1 ? target * (float)(before - 1) / (after - 1) : 0;
  const float at = (target + .5f) * before / after - .5f;
  return at > 0 ? at : 0;
}

EXPORT(bilinear) void bilinear(
    const float *x, float *y, int channels, int height, int width, int rows, int columns, int align
) {
  for (int row = 0; row < rows; row++) {
    const float down = source(row, height, rows, align);
    const int top = (int)down, bottom = top + 1 < height ? top + 1 : height - 1;
    for (int column = 0; column < columns; column++) {
      const float across = source(column, width, columns, align);
      const int left = (int)across, right = left + 1 < width ? left + 1 : width - 1;
      const float u = across - left, v = down - top;
      for (int channel = 0; channel < channels; channel++) {
        const float *above = x + (channel * height + top) * width, *below = x + (channel * height + bottom) * width;
        const float upper = above[left] + u * (above[right] - above[left]);
        const float lower = below[left] + u * (below[right] - below[left]);
        y[(channel * rows + row) * columns + column] = upper + v * (lower - upper);
      }
    }
  }
}
